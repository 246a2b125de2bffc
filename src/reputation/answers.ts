import type { Clock } from "../base/clock.ts";
import { Unavailable } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Metrics } from "../base/metrics.ts";
import { type Answer, known } from "./reputation.ts";

/** In seconds: from what a thread needs to what a session waits at most. */
const LATENCIES = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1];

/** Makes `unknown` of a store that is away; counts that, and tells its begin and its end. */
export interface Answers {
  of<T>(operation: string, work: () => Promise<T>): Promise<Answer<T>>;
}

export function createAnswers({
  clock,
  log,
  metrics,
  store,
}: {
  readonly clock: Pick<Clock, "monotonic">;
  readonly log: Log;
  readonly metrics: Metrics | undefined;
  readonly store: string;
}): Answers {
  const seconds = metrics?.histogram(
    "postern_reputation_seconds",
    "How long the store of reputation took to answer, or was waited for.",
    LATENCIES,
    ["operation"],
  );
  const unknowns = metrics?.counter(
    "postern_reputation_unknown_total",
    "Questions to the store of reputation that had no answer.",
    ["operation"],
  );
  // By operation: a full store can be read and not written.
  const away = new Set<string>();
  return {
    async of(operation, work) {
      const began = clock.monotonic();
      try {
        const value = await work();
        if (away.delete(operation)) log.info("reputation-back", { store, operation });
        return known(value);
      } catch (error) {
        if (!(error instanceof Unavailable)) throw error;
        const { message: reason } = error;
        unknowns?.add({ operation });
        if (!away.has(operation)) log.warn("reputation-away", { store, operation, reason });
        away.add(operation);
        return { kind: "unknown", reason };
      } finally {
        seconds?.observe((clock.monotonic() - began) / 1000, { operation });
      }
    },
  };
}
