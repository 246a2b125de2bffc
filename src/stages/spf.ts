import { z } from "zod";
import { checkSpf, type SpfCheck } from "../auth/spf/check-spf.ts";
import { type Clock, startDeadline } from "../base/clock.ts";
import { type Resolver, withSignal } from "../net/resolver.ts";
import { defineStage, type Stage } from "../pipeline/stage.ts";
import type { Finding, Verdict } from "../pipeline/verdict.ts";

export interface SpfServices {
  readonly resolver: Resolver;
  readonly clock: Clock;
}

/** All that Received-SPF, Authentication-Results and explain say about it. */
export type SpfEvidence = SpfCheck;

/** behaviour.md section 5: SPF wall. RFC 7208 4.6.4 would allow 20 s, which no client waits for. */
const WALL_MS = 6000;
/** Later than the wall, so that a slow zone is a temperror with its trace and not a lost stage. */
const TIMEOUT_MS = 7000;

const scores = z.strictObject({
  pass: z.number().default(0),
  fail: z.number().default(4),
  softfail: z.number().default(2),
  neutral: z.number().default(0),
  none: z.number().default(0),
  temperror: z.number().default(0),
  permerror: z.number().default(0.5),
});

const options = z.strictObject({
  /** `stamp`: only the header and the score, since forwarded mail fails rightly (RFC 7208 G.3). */
  fail: z.enum(["stamp", "reject"]).default("stamp"),
  temperror: z.enum(["stamp", "defer"]).default("stamp"),
  scores: scores.prefault({}),
});

export type SpfOptions = z.infer<typeof options>;

/** SPF of the sender's domain, or of the HELO name for a bounce. A pass never trusts anybody. */
export const spfStage: Stage<"mail", SpfServices> = defineStage<
  "mail",
  SpfOptions,
  SpfEvidence,
  SpfServices
>({
  name: "spf",
  phase: "mail",
  timeoutMs: TIMEOUT_MS,
  onFailure: "open",
  trustable: true,
  concerns: "strangers",
  judges: "origin",
  precedes: ["spf-access", "reputation", "message-rate"],
  file: "sender-auth",
  section: "spf",
  options,

  async observe(view, _options, { resolver, clock }, signal) {
    const wall = startDeadline(clock, WALL_MS, signal);
    const question = {
      ip: view.client.ip,
      sender: view.sender,
      helo: view.helo.name,
      receiver: view.listener.hostname,
      receivedAt: view.receivedAt,
    };
    try {
      return await checkSpf(question, resolver, withSignal(view.dns, wall.signal));
    } finally {
      wall.clear();
    }
  },

  judge(evidence, { fail, temperror, scores }): Verdict {
    const { result, domain, explanation } = evidence;
    const findings = [toFinding(evidence, scores[result])];
    if (result === "fail" && fail === "reject") {
      const about = explanation === null ? { domain } : { domain, explanation };
      return { kind: "reject", cause: "spf-fail", about, findings };
    }
    if (result === "temperror" && temperror === "defer")
      return { kind: "defer", cause: "spf-temporary", about: { domain }, findings };
    return { kind: "neutral", findings };
  },
});

function toFinding({ result, domain, mechanism, problem }: SpfEvidence, score: number): Finding {
  const why = problem ?? mechanism;
  const detail = why === null ? domain : `${domain}: ${why}`;
  return { symbol: `SPF_${result.toUpperCase()}`, score, detail };
}
