import type { Log } from "../base/log.ts";
import type { Metrics } from "../base/metrics.ts";
import type { RateAnswer, RateCounters, RateLimit } from "./rate-counters.ts";

/** What is counted. */
export type RateUnit = "connections" | "messages" | "recipients";

/** Of whom. */
export interface Counted {
  readonly by: string;
  readonly name: string;
}

/** Counters of what somebody tries, refused or not, which also tell when he goes over. */
export interface AttemptRates {
  take(what: RateUnit, who: Counted, limit: RateLimit): Promise<RateAnswer>;
}

export interface AttemptRatesInput {
  readonly counters: RateCounters;
  readonly log: Log;
  readonly metrics: Metrics;
}

export function createStrangerRates(input: AttemptRatesInput): AttemptRates {
  return createAttemptRates(input, {
    keys: "in:",
    event: "rate",
    metric: "postern_rate_refusals_total",
    help: "Connections, messages and recipients of strangers that came too fast.",
  });
}

/** Of our own senders, one of whose accounts may be stolen. */
export function createSenderRates(input: AttemptRatesInput): AttemptRates {
  return createAttemptRates(input, {
    keys: "",
    event: "sender-rate",
    metric: "postern_sender_rate_refusals_total",
    help: "Messages and recipients of our own senders that came too fast.",
  });
}

interface Names {
  /** What the keys of the counters begin with: strangers and our own never share one. */
  readonly keys: string;
  readonly event: string;
  readonly metric: string;
  readonly help: string;
}

function createAttemptRates(
  { counters, log, metrics }: AttemptRatesInput,
  names: Names,
): AttemptRates {
  const refusals = metrics.counter(names.metric, names.help, ["what", "by"]);
  return {
    async take(what, { by, name }, limit) {
      const answer = await counters.take(`${names.keys}${what}:${by}:${name}`, 1, limit);
      if (!answer.taken) refusals.add({ what, by });
      // Once a burst: thousands of refusals are one piece of news.
      if (answer.begins) log.warn(names.event, { what, by, name, ...limit });
      return answer;
    },
  };
}
