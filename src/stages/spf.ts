import { z } from "zod";
import { checkSpf, type SpfCheck } from "../auth/spf/check-spf.ts";
import { type Clock, startDeadline } from "../base/clock.ts";
import { parseDomainName } from "../mail/domain-name.ts";
import { type Resolver, withSignal } from "../net/resolver.ts";
import { defineStage, type Stage } from "../pipeline/stage.ts";
import type { Finding, Verdict } from "../pipeline/verdict.ts";

export interface SpfServices {
  readonly resolver: Resolver;
  readonly clock: Clock;
}

/** All that Received-SPF, Authentication-Results and explain say about it. */
export type SpfEvidence = SpfCheck & {
  /** Of the HELO name beside MAIL FROM. Null: the name is none to ask about; absent: nobody asked. */
  readonly heloCheck?: SpfCheck | null;
};

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
  /** The client calls itself by the name of somebody who says that it is not his. */
  heloFail: z.number().default(1),
});

const options = z.strictObject({
  /** `stamp`: only the header and the score, since forwarded mail fails rightly (RFC 7208 G.3). */
  fail: z.enum(["stamp", "reject"]).default("stamp"),
  temperror: z.enum(["stamp", "defer"]).default("stamp"),
  /** `always`: the HELO name is checked beside MAIL FROM (RFC 7208 2.3), for at most as many queries more. */
  helo: z.enum(["null-sender", "always"]).default("null-sender"),
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

  async observe(view, { helo }, { resolver, clock }, signal) {
    const wall = startDeadline(clock, WALL_MS, signal);
    const question = {
      ip: view.client.ip,
      sender: view.sender,
      helo: view.helo.name,
      receiver: view.listener.hostname,
      receivedAt: view.receivedAt,
    };
    const scope = withSignal(view.dns, wall.signal);
    try {
      const check = await checkSpf(question, resolver, scope);
      if (helo !== "always" || view.sender === null) return check;
      // One after the other: which of them uses up the queries must not depend on who is faster.
      const asked = { ...question, sender: null };
      return {
        ...check,
        heloCheck: isHostName(view.helo.name) ? await checkSpf(asked, resolver, scope) : null,
      };
    } finally {
      wall.clear();
    }
  },

  judge(evidence, { fail, temperror, helo, scores }, { sender }): Verdict {
    const { result, domain, explanation, heloCheck } = evidence;
    if (helo === "always" && sender !== null && heloCheck === undefined)
      return { kind: "unknown", missing: ["SPF of the HELO name"], findings: [] };
    const findings = [toFinding(evidence, scores[result])];
    if (helo === "always" && heloCheck) findings.push(toHeloFinding(heloCheck, scores.heloFail));
    if (result === "fail" && fail === "reject") {
      const about = explanation === null ? { domain } : { domain, explanation };
      return { kind: "reject", cause: "spf-fail", about, findings };
    }
    if (result === "temperror" && temperror === "defer")
      return { kind: "defer", cause: "spf-temporary", about: { domain }, findings };
    return { kind: "neutral", findings };
  },
});

/** RFC 7208 2.3: only a domain name of several labels can be checked. */
function isHostName(name: string): boolean {
  return parseDomainName(name, { utf8: false })?.includes(".") ?? false;
}

/** It never refuses: whose name a machine bears says little about whose mail it brings. */
function toHeloFinding(check: SpfCheck, failScore: number): Finding {
  const finding = toFinding(check, check.result === "fail" ? failScore : 0);
  return { ...finding, symbol: `SPF_HELO_${check.result.toUpperCase()}` };
}

function toFinding({ result, domain, mechanism, problem }: SpfCheck, score: number): Finding {
  const why = problem ?? mechanism;
  const detail = why === null ? domain : `${domain}: ${why}`;
  return { symbol: `SPF_${result.toUpperCase()}`, score, detail };
}
