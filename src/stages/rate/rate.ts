import type { z } from "zod";
import { defineStage, type RcptFacts, type Stage } from "../../pipeline/stage.ts";
import { NEUTRAL, type Verdict } from "../../pipeline/verdict.ts";
import type { AttemptRates, RateUnit } from "../../reputation/attempt-rates.ts";
import { rateName } from "./rate-names.ts";
import {
  connectionRateOptions,
  messageRateOptions,
  type RateOptions,
  type RateSubject,
  recipientRateOptions,
  toRateLimit,
} from "./rate-options.ts";

export interface RateServices {
  readonly strangerRates: AttemptRates;
}

/** What was in each bucket before, unrounded: the judge must come to the same answer. */
export type RateEvidence = {
  readonly counts: readonly {
    readonly by: RateSubject;
    /** Null: there was nobody to count, such as a sender whom nothing proves. */
    readonly name: string | null;
    readonly count: number;
  }[];
};

/** A question to our own counters. */
const TIMEOUT_MS = 2500;

// They count in `observe`, for the reason that sender-rate gives: a rate is one of attempts.

/** Beside limits.yaml `connections`, which the door counts by the minute and answers with 421. */
export const connectionRateStage: Stage<"connect", RateServices> = defineStage({
  ...shared("connections"),
  name: "connection-rate",
  phase: "connect",
  section: "connection-rate",
  options: connectionRateOptions satisfies z.ZodType<RateOptions>,
});

export const messageRateStage: Stage<"mail", RateServices> = defineStage({
  ...shared("messages"),
  name: "message-rate",
  phase: "mail",
  section: "message-rate",
  options: messageRateOptions satisfies z.ZodType<RateOptions>,
});

export const rcptRateStage: Stage<"rcpt", RateServices> = defineStage({
  ...shared("recipients"),
  name: "rcpt-rate",
  phase: "rcpt",
  section: "rcpt-rate",
  options: recipientRateOptions satisfies z.ZodType<RateOptions>,
});

type RateFacts = Pick<RcptFacts, "client" | "listener" | "receivedAt" | "seed" | "reports"> &
  Partial<Pick<RcptFacts, "sender" | "recipient">>;

function shared(unit: RateUnit) {
  return {
    timeoutMs: TIMEOUT_MS,
    onFailure: "open",
    trustable: true,
    concerns: "strangers",
    judges: "peer",
    file: "rates",

    async observe(
      facts: RateFacts,
      options: RateOptions,
      { strangerRates }: RateServices,
    ): Promise<RateEvidence> {
      const counts: RateEvidence["counts"][number][] = [];
      for (const { by, limit } of limitsOf(options)) {
        const name = rateName(by, facts);
        const before = name === null ? null : await strangerRates.take(unit, { by, name }, limit);
        counts.push({ by, name, count: before?.level ?? 0 });
      }
      return { counts };
    },

    judge: (evidence: RateEvidence, options: RateOptions) => judgeRates(unit, evidence, options),
  } as const;
}

function limitsOf(options: RateOptions) {
  return (Object.keys(options) as RateSubject[]).flatMap((by) => {
    const own = options[by];
    return own ? [{ by, limit: toRateLimit(own) }] : [];
  });
}

function judgeRates(unit: RateUnit, { counts }: RateEvidence, options: RateOptions): Verdict {
  const wanted = limitsOf(options).map(({ by }) => by);
  const missing = wanted.filter((by) => !counts.some((one) => one.by === by));
  if (missing.length > 0)
    return { kind: "unknown", missing: missing.map((by) => `${unit} by ${by}`), findings: [] };
  for (const { by, name, count } of counts) {
    const limit = options[by];
    if (name === null || !limit || count + 1 <= limit.atOnce) continue;
    const detail = `${by} ${name}: more than ${limit.atOnce} ${unit} at once, ${limit.perHour} an hour`;
    const findings = [{ symbol: "RATE", score: 0, detail }];
    return { kind: "defer", cause: "rate", findings };
  }
  return NEUTRAL;
}
