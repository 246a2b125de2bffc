/**
 * How much of something came lately, by key: leaky buckets. One set of counters serves a whole
 * gateway, in however many processes, so that a rate is the rate whoever asks.
 */
export interface RateCounters {
  /**
   * Adds when the bucket has room for all of it, else changes nothing: who is refused and tries again
   * does not lock himself out, and mail goes on at the pace at which the bucket drains. 0 only looks.
   * Rejects with Unavailable when nobody can tell.
   */
  take(key: string, amount: number, limit: RateLimit): Promise<RateAnswer>;
}

export interface RateLimit {
  /** What a bucket holds: so much at once. */
  readonly capacity: number;
  /** What drains from it: so much for ever. */
  readonly perHour: number;
}

export interface RateAnswer {
  readonly taken: boolean;
  /** What was in the bucket before. */
  readonly level: number;
  /** The first refusal since the bucket was last at most half full: something to be told once. */
  readonly begins: boolean;
}

/** What the process that counts does for the others. */
export interface RateOwnerOperations {
  readonly [operation: string]: (input: never) => unknown;
  takeRate(input: {
    readonly key: string;
    readonly amount: number;
    readonly limit: RateLimit;
  }): Promise<RateAnswer>;
}
