import type { Log } from "../../base/log.ts";
import type { CounterMetric, Metrics } from "../../base/metrics.ts";
import type { RateAnswer, RateCounters, RateLimit } from "../../reputation/rate-counters.ts";
import type { SenderIdentity } from "./sender-identity.ts";

/** What is counted. */
export type Counted = "messages" | "recipients";

/** The counters of senders, which also tell when one goes over: an account may be stolen. */
export interface SenderRates {
  take(what: Counted, who: SenderIdentity, limit: RateLimit): Promise<RateAnswer>;
}

export function createSenderRates(input: {
  readonly counters: RateCounters;
  readonly log: Log;
  readonly metrics: Metrics;
}): SenderRates {
  const { counters, log } = input;
  const refusals: CounterMetric = input.metrics.counter(
    "postern_sender_rate_refusals_total",
    "Messages and recipients of our own senders that came too fast.",
    ["what", "by"],
  );
  return {
    async take(what, who, limit) {
      const answer = await counters.take(`${what}:${who.by}:${who.name}`, 1, limit);
      if (!answer.taken) refusals.add({ what, by: who.by });
      // Once a burst: thousands of refusals are one piece of news.
      if (answer.begins) log.warn("sender-rate", { what, by: who.by, name: who.name, ...limit });
      return answer;
    },
  };
}
