import { defineStage, type Stage } from "../../pipeline/stage.ts";
import type { Verdict } from "../../pipeline/verdict.ts";
import { type AccessEntry, type AccessOptions, accessOptions } from "./access-options.ts";
import { checkAccess } from "./check-access.ts";

/** Nothing is observed: client and time are facts, so a replay uses the list of its own policy. */
export type AccessEvidence = { readonly client: string };

/** A look-up in memory. */
const TIMEOUT_MS = 1000;

/** Clients that the operator allowed or blocked in `access.yaml`. Runs before all other stages. */
export const accessStage: Stage<"connect", unknown> = defineStage<
  "connect",
  AccessOptions,
  AccessEvidence,
  unknown
>({
  name: "access",
  phase: "connect",
  timeoutMs: TIMEOUT_MS,
  onFailure: "open",
  trustable: false,
  canTrust: true,
  judges: "origin",
  file: "access",
  options: accessOptions,
  check: checkAccess,

  observe: async ({ client }) => ({ client: client.ip }),

  judge(evidence, options, { receivedAt }) {
    const entry = options.find(evidence.client, receivedAt);
    return entry === null ? { kind: "neutral", findings: [] } : judgeEntry(entry);
  },
});

function judgeEntry({ list, client, reason, scope }: AccessEntry): Verdict {
  const detail = `${client}: ${reason}`;
  if (list === "block") {
    const findings = [{ symbol: "CLIENT_BLOCKED", score: 0, detail }];
    return { kind: "reject", cause: "client-blocked", findings };
  }
  const findings = [{ symbol: "CLIENT_ALLOWED", score: 0, detail }];
  return { kind: "trust", ...(scope && { scope }), findings };
}
