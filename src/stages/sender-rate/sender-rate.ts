import { defineStage, type MailFacts, type Stage } from "../../pipeline/stage.ts";
import { NEUTRAL, type Verdict } from "../../pipeline/verdict.ts";
import type { AttemptRates, RateUnit } from "../../reputation/attempt-rates.ts";
import { type SenderIdentity, senderIdentity } from "./sender-identity.ts";
import { limitFor, type SenderRateOptions, senderRateOptions } from "./sender-rate-options.ts";

export interface SenderRateServices {
  readonly senderRates: AttemptRates;
}

/** Who was counted and what there was before, unrounded: the judge must come to the same answer. */
export type SenderRateEvidence = {
  readonly who: { readonly by: SenderIdentity["by"]; readonly name: string } | null;
  readonly count: number;
};

/** A question to our own counters. */
const TIMEOUT_MS = 2500;

// They count in `observe`, against the rule that effects belong into `commit`: a rate is one of
// attempts, what is refused later (a recipient that does not exist, malware) is an attempt as well,
// and sessions that run at the same time must not all see the count from before. `judge FILE` has
// counters of its own, which it throws away.

/** Messages of a sender of ours: what a stolen account or a program gone wild sends. */
export const senderRateStage: Stage<"mail", SenderRateServices> = defineStage<
  "mail",
  SenderRateOptions,
  SenderRateEvidence,
  SenderRateServices
>({
  ...shared("messages"),
  name: "sender-rate",
  phase: "mail",
  options: senderRateOptions({ perHour: 300, atOnce: 100 }),
});

/** Recipients of a sender of ours: one message may have many. */
export const recipientRateStage: Stage<"rcpt", SenderRateServices> = defineStage<
  "rcpt",
  SenderRateOptions,
  SenderRateEvidence,
  SenderRateServices
>({
  ...shared("recipients"),
  name: "recipient-rate",
  phase: "rcpt",
  options: senderRateOptions({ perHour: 1000, atOnce: 500 }),
});

function shared(what: RateUnit) {
  return {
    timeoutMs: TIMEOUT_MS,
    onFailure: "open",
    // Who lets a hub past all spam stages must not take the brake off its users by it.
    trustable: false,
    concerns: "ours",
    file: "rates",
    section: what,

    async observe(
      facts: MailFacts,
      options: SenderRateOptions,
      { senderRates }: SenderRateServices,
    ): Promise<SenderRateEvidence> {
      const who = senderIdentity(facts);
      if (who === null) return { who, count: 0 };
      const { level } = await senderRates.take(what, who, limitFor(options, who));
      return { who: { ...who }, count: level };
    },

    judge: (evidence: SenderRateEvidence, options: SenderRateOptions) =>
      judgeRate(what, evidence, options),
  } as const;
}

function judgeRate(
  what: RateUnit,
  { who, count }: SenderRateEvidence,
  options: SenderRateOptions,
): Verdict {
  if (who === null) return NEUTRAL;
  const { capacity, perHour } = limitFor(options, who);
  if (count + 1 <= capacity) return NEUTRAL;
  const detail = `${who.by} ${who.name}: more than ${capacity} ${what} at once, ${perHour} an hour`;
  const findings = [{ symbol: "SENDER_RATE", score: 0, detail }];
  return { kind: "defer", cause: "rate", findings };
}
