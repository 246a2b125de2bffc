import type { Clock } from "../base/clock.ts";
import type { RateAnswer, RateCounters, RateLimit } from "./rate-counters.ts";

/**
 * Some 20 MB at most. The key that was asked for least lately goes first: whoever makes up senders to
 * be forgotten is asking for his own all the while.
 */
const MAX_KEYS = 100_000;
const HOUR_MS = 3_600_000;

interface Bucket {
  readonly level: number;
  /** Monotonic; when it had this level. */
  readonly at: number;
  /** Somebody was refused, and it has not drained to half since. */
  readonly isOver: boolean;
}

/** Counters of this process; a restart forgets them. */
export function createMemoryRateCounters(
  clock: Pick<Clock, "monotonic">,
  maxKeys: number = MAX_KEYS,
): RateCounters {
  const buckets = new Map<string, Bucket>();
  return {
    async take(key, amount, limit) {
      const now = clock.monotonic();
      const before = drained(buckets.get(key), limit, now);
      const { bucket, answer } = pour(before, amount, limit);
      // Last in the order of the map: the first is the one to go.
      buckets.delete(key);
      if (bucket.level > 0) buckets.set(key, bucket);
      for (const oldest of buckets.size > maxKeys ? buckets.keys().take(1) : [])
        buckets.delete(oldest);
      return answer;
    },
  };
}

function drained(bucket: Bucket | undefined, limit: RateLimit, now: number): Bucket {
  if (!bucket) return { level: 0, at: now, isOver: false };
  const gone = ((now - bucket.at) / HOUR_MS) * limit.perHour;
  const level = Math.max(0, bucket.level - gone);
  return { level, at: now, isOver: bucket.isOver && level > limit.capacity / 2 };
}

function pour(
  before: Bucket,
  amount: number,
  { capacity }: RateLimit,
): { readonly bucket: Bucket; readonly answer: RateAnswer } {
  const { level, isOver } = before;
  const taken = amount === 0 || level + amount <= capacity;
  const begins = !taken && !isOver;
  const after = taken ? level + amount : level;
  return {
    bucket: { ...before, level: after, isOver: isOver || !taken },
    answer: { taken, level, begins },
  };
}
