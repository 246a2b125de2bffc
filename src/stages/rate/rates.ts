import type { Log } from "../../base/log.ts";
import type { CounterMetric, Metrics } from "../../base/metrics.ts";
import type { RateAnswer, RateCounters, RateLimit } from "../../reputation/rate-counters.ts";
import type { RateSubject } from "./rate-options.ts";

/** What is counted of strangers. */
export type RateUnit = "connections" | "messages" | "recipients";

/** The counters of strangers: those of our own senders (sender-rate) have other keys. */
export interface StrangerRates {
  take(unit: RateUnit, by: RateSubject, name: string, limit: RateLimit): Promise<RateAnswer>;
}

export function createStrangerRates(input: {
  readonly counters: RateCounters;
  readonly log: Log;
  readonly metrics: Metrics;
}): StrangerRates {
  const { counters, log } = input;
  const refusals: CounterMetric = input.metrics.counter(
    "postern_rate_refusals_total",
    "Connections, messages and recipients of strangers that came too fast.",
    ["what", "by"],
  );
  return {
    async take(what, by, name, limit) {
      const answer = await counters.take(`in:${what}:${by}:${name}`, 1, limit);
      if (!answer.taken) refusals.add({ what, by });
      // Once a burst: thousands of refusals are one piece of news.
      if (answer.begins) log.warn("rate", { what, by, name, ...limit });
      return answer;
    },
  };
}
