import { defineStage, type Stage } from "../../pipeline/stage.ts";
import { NEUTRAL, type Verdict } from "../../pipeline/verdict.ts";
import { type AccessEntry, type AccessOptions, accessOptions } from "./access-options.ts";
import { checkAccess } from "./check-access.ts";
import type { ExceptionServices } from "./exception-book.ts";
import { strongestClient, toFinding } from "./strongest-entry.ts";

/**
 * Client and time are facts, so a replay uses the list of its own policy. What an operator made by
 * command is kept as it was then; absent in evidence of earlier versions.
 */
export type AccessEvidence = { readonly client: string; readonly entry?: AccessEntry | null };

/** A look-up in memory, once a second after a question to the store, which has its own limit. */
const TIMEOUT_MS = 1000;

/** Clients that the operator allowed or blocked. Runs before all other stages. */
export const accessStage: Stage<"connect", ExceptionServices> = defineStage<
  "connect",
  AccessOptions,
  AccessEvidence,
  ExceptionServices
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

  async observe({ client, receivedAt }, _options, { exceptions }) {
    const entry = (await exceptions.current()).find(client.ip, receivedAt);
    return { client: client.ip, entry };
  },

  judge({ client, entry = null }, options, { receivedAt }) {
    const found = strongestClient(options.find(client, receivedAt), entry, receivedAt);
    return found === null ? NEUTRAL : judgeEntry(found);
  },
});

function judgeEntry(entry: AccessEntry): Verdict {
  const { list, client, scope } = entry;
  if (list === "block") {
    const findings = [toFinding("CLIENT_BLOCKED", client, entry)];
    return { kind: "reject", cause: "client-blocked", findings };
  }
  const findings = [toFinding("CLIENT_ALLOWED", client, entry)];
  return { kind: "trust", ...(scope && { scope }), findings };
}
