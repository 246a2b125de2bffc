import { z } from "zod";
import {
  checkSenderId,
  type ScopeCheck,
  type SenderIdCheck,
} from "../auth/sender-id/check-sender-id.ts";
import { type Clock, startDeadline } from "../base/clock.ts";
import { type Resolver, withSignal } from "../net/resolver.ts";
import { defineStage, type Stage } from "../pipeline/stage.ts";
import type { Finding, Verdict } from "../pipeline/verdict.ts";

export interface SenderIdServices {
  readonly resolver: Resolver;
  readonly clock: Clock;
}

export type SenderIdEvidence = SenderIdCheck;

/** As for SPF: all scopes together. */
const WALL_MS = 6000;
/** Later than the wall, so that a slow zone is a temperror with its trace and not a lost stage. */
const TIMEOUT_MS = 7000;

const scores = z.strictObject({
  pass: z.number().default(0),
  fail: z.number().default(0),
  softfail: z.number().default(0),
  neutral: z.number().default(0),
  none: z.number().default(0),
  temperror: z.number().default(0),
  permerror: z.number().default(0),
});

const options = z.strictObject({
  /** `pra`: who put the message on its way; `mfrom`: also MAIL FROM, by its record of spf2.0. */
  scopes: z
    .array(z.enum(["pra", "mfrom"]))
    .min(1)
    .default(["pra"]),
  /**
   * Whether v=spf1 speaks for a domain without spf2.0. Most owners never meant it for the header:
   * mailing lists fail by it, so nothing but a mark should follow (RFC 4406, note of the IESG).
   */
  spf1: z.enum(["use", "ignore"]).default("use"),
  fail: z.enum(["stamp", "quarantine", "reject"]).default("stamp"),
  temperror: z.enum(["stamp", "quarantine", "defer"]).default("stamp"),
  scores: scores.prefault({}),
});

type SenderIdOptions = z.infer<typeof options>;

/** Sender ID (RFC 4406) of the address that the header says is responsible. It trusts nobody. */
export const senderIdStage: Stage<"data", SenderIdServices> = defineStage<
  "data",
  SenderIdOptions,
  SenderIdEvidence,
  SenderIdServices
>({
  name: "sender-id",
  phase: "data",
  timeoutMs: TIMEOUT_MS,
  onFailure: "open",
  trustable: true,
  concerns: "strangers",
  file: "sender-auth",
  section: "sender-id",
  options,

  async observe(view, { scopes, spf1 }, { resolver, clock }, signal) {
    const wall = startDeadline(clock, WALL_MS, signal);
    const question = {
      ip: view.client.ip,
      headers: view.message.headers,
      sender: view.sender,
      helo: view.helo.name,
      receiver: view.listener.hostname,
      receivedAt: view.receivedAt,
      scopes: [...new Set(scopes)],
      usesVersion1: spf1 === "use",
    };
    try {
      return await checkSenderId(question, resolver, withSignal(view.dns, wall.signal));
    } finally {
      wall.clear();
    }
  },

  judge(evidence, options, { sender }): Verdict {
    const missing = missingOf(evidence, options, sender !== null);
    if (missing.length > 0) return { kind: "unknown", missing, findings: [] };
    const checks = evidence.checks.filter(({ scope }) => options.scopes.includes(scope));
    const findings = checks.map((check) => toFinding(check, options.scores[check.result]));
    const failed = checks.find(({ result }) => result === "fail");
    if (failed && options.fail !== "stamp")
      return { kind: options.fail, cause: "sender-id-fail", about: about(failed), findings };
    const unsure = checks.find(({ result }) => result === "temperror");
    if (unsure && options.temperror !== "stamp") {
      const kind = options.temperror;
      return { kind, cause: "check-unavailable", about: about(unsure), findings };
    }
    return { kind: "neutral", findings };
  },
});

/** What another policy wants to know, and nobody asked. */
function missingOf(
  { checks, usesVersion1 }: SenderIdEvidence,
  { scopes, spf1 }: SenderIdOptions,
  hasSender: boolean,
): readonly string[] {
  const wanted = scopes.filter((scope) => scope === "pra" || hasSender);
  const unasked = wanted.filter((name) => !checks.some(({ scope }) => scope === name));
  const isOther = usesVersion1 !== (spf1 === "use");
  return [
    ...unasked.map((scope) => `Sender ID of the scope ${scope}`),
    ...(isOther ? [`Sender ID with spf1: ${spf1}`] : []),
  ];
}

/** For the reply of RFC 4406 5.3. */
function about({ scope, domain, fault }: ScopeCheck): Readonly<Record<string, string>> {
  const who = domain === "" ? {} : { domain };
  return { scope: scope === "pra" ? "PRA" : "MAIL FROM", ...who, ...(fault && { fault }) };
}

function toFinding(check: ScopeCheck, score: number): Finding {
  const { scope, result, fault, header, domain, mechanism, problem } = check;
  const prefix = scope === "pra" ? "SENDER_ID" : "SENDER_ID_MFROM";
  const why = problem ?? (fault === "not-permitted" ? null : fault) ?? mechanism;
  const who = domain === "" ? [] : [header === null ? domain : `${domain} (${header})`];
  const detail = [...who, ...(why === null ? [] : [why])].join(": ");
  return { symbol: `${prefix}_${result.toUpperCase()}`, score, detail };
}
