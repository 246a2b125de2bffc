import type { Clock } from "../base/clock.ts";
import { Unavailable } from "../base/errors.ts";
import type { RateCounters } from "./rate-counters.ts";
import { toKey } from "./redis-keys.ts";
import type { RedisLink } from "./redis-link.ts";
import type { RedisScripts } from "./redis-scripts.ts";

/** Counters that all nodes share. */
export function createRedisRateCounters(
  link: Pick<RedisLink, "ask">,
  scripts: RedisScripts,
  clock: Pick<Clock, "now">,
): RateCounters {
  return {
    async take(key, amount, { capacity, perHour }) {
      const answer = await link.ask(() =>
        scripts.run("take", toKey("rate", key), clock.now(), amount, capacity, perHour),
      );
      const [taken, level, begins] = answer as readonly [number, string, number];
      return { taken: taken === 1, level: Number(level), begins: begins === 1 };
    },
  };
}

/**
 * While the shared counters are away each node counts by itself: a limit then holds a node, and nobody
 * is refused because of what cannot be known.
 */
export function createFallbackRateCounters(shared: RateCounters, own: RateCounters): RateCounters {
  return {
    async take(key, amount, limit) {
      try {
        return await shared.take(key, amount, limit);
      } catch (error) {
        if (!(error instanceof Unavailable)) throw error;
        return own.take(key, amount, limit);
      }
    },
  };
}
