import type { Clock } from "../base/clock.ts";
import { errorText, Unavailable } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { WeighedFact } from "./stored-fact.ts";
import type { StoredFact } from "./tracking-store.ts";

/** How long a fact waits for company: a commit for each would cost the disk more than the mail. */
export const GATHER_MS = 50;
/** Facts of one commit; and characters, so that a batch is copied to the thread in milliseconds. */
const BATCH_FACTS = 500;
const BATCH_CHARS = 2 * 1024 * 1024;
/** Between attempts while the store is away. */
export const RETRY_MS = 1000;
/** `flush` gives up then: a stop must not hang on a dead disk. */
export const FLUSH_LIMIT_MS = 10_000;

/** Facts on their way to the writer: bounded, in order, one batch under way at a time. */
export interface FactQueue {
  /** False when there is no room: the fact is lost. */
  push(fact: WeighedFact): boolean;
  /** Counts facts as lost. Always false, as push would say. */
  lose(count: number): false;
  /** Throws Unavailable("tracking") when a fact taken so far cannot be stored. */
  flush(): Promise<void>;
  lost(): number;
  /** Stores what it can; the rest is lost. Never throws. */
  close(): Promise<void>;
}

export interface FactQueueOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly maxFacts: number;
  readonly maxChars: number;
  /** Returns how many were stored; the others can never be. Throws while the store is away. */
  write(facts: readonly StoredFact[]): Promise<number>;
}

export function createFactQueue(options: FactQueueOptions): FactQueue {
  const { clock, log } = options;
  let waiting: WeighedFact[] = [];
  let chars = 0;
  let done = 0;
  let lost = 0;
  let away = false;
  let closed = false;
  let underWay: Promise<void> | null = null;
  let cancelTimer: (() => void) | null = null;

  const lose = (count: number): false => {
    if (lost === 0 && count > 0) log.error("tracking-facts-lost", { waiting: waiting.length });
    lost += count;
    return false;
  };

  const wake = (ms: number) => {
    if (closed || waiting.length === 0) return;
    cancelTimer ??= clock.after(ms, () => {
      cancelTimer = null;
      if (!underWay) writeOne().catch(() => {});
    });
  };

  /** A batch that failed stays at the head of the line. */
  const writeOne = (): Promise<void> => {
    const batch = takeBatch(waiting);
    underWay = options
      .write(batch.map(({ fact }) => fact))
      .then(
        (stored) => {
          waiting = waiting.slice(batch.length);
          chars -= weigh(batch);
          done += batch.length;
          lose(batch.length - stored);
          if (away) log.info("tracking-back", { lost });
          away = false;
        },
        (error: unknown) => {
          if (!away) log.error("tracking-away", { error: errorText(error) });
          away = true;
          throw error;
        },
      )
      .finally(() => {
        underWay = null;
        wake(away ? RETRY_MS : waiting.length < BATCH_FACTS ? GATHER_MS : 0);
      });
    return underWay;
  };

  const drain = async (stopped: () => boolean) => {
    const goal = done + waiting.length;
    while (done < goal && !stopped()) await (underWay ?? writeOne());
  };

  return {
    push(fact) {
      if (closed || waiting.length >= options.maxFacts) return lose(1);
      if (chars + fact.chars > options.maxChars) return lose(1);
      waiting.push(fact);
      chars += fact.chars;
      wake(GATHER_MS);
      return true;
    },
    lose,
    lost: () => lost,
    flush: () => withinLimit(clock, drain),
    async close() {
      closed = true;
      cancelTimer?.();
      await withinLimit(clock, drain).catch(() => {});
      if (waiting.length > 0) lose(waiting.length);
      waiting = [];
    },
  };
}

function takeBatch(waiting: readonly WeighedFact[]): readonly WeighedFact[] {
  let chars = 0;
  const end = waiting.findIndex((fact, index) => {
    chars += fact.chars;
    return index === BATCH_FACTS || (index > 0 && chars > BATCH_CHARS);
  });
  return end === -1 ? waiting.slice() : waiting.slice(0, end);
}

function weigh(facts: readonly WeighedFact[]): number {
  return facts.reduce((sum, { chars }) => sum + chars, 0);
}

async function withinLimit(
  clock: Clock,
  drain: (stopped: () => boolean) => Promise<void>,
): Promise<void> {
  let late = false;
  let cancel = () => {};
  const limit = new Promise<never>((_, reject) => {
    cancel = clock.after(FLUSH_LIMIT_MS, () => {
      late = true;
      reject(new Unavailable("tracking", `facts are not stored within ${FLUSH_LIMIT_MS} ms`));
    });
  });
  try {
    await Promise.race([drain(() => late), limit]);
  } finally {
    cancel();
  }
}
