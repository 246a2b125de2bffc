import type { Clock } from "../base/clock.ts";
import { errorText, Unavailable } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { WeighedFact } from "./stored-fact.ts";
import type { StoredFact } from "./tracking-store.ts";

/** How long a fact waits for company: a commit for each would cost the disk more than the mail. */
const GATHER_MS = 50;
/** Facts of one commit; and characters, so that a batch is copied to the thread in milliseconds. */
const BATCH_FACTS = 500;
const BATCH_CHARS = 2 * 1024 * 1024;
/** Between attempts while the store is away. */
const RETRY_MS = 1000;
/** `flush` gives up then: a stop must not hang on a dead disk. */
const FLUSH_LIMIT_MS = 10_000;

export interface FactQueueOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly maxFacts: number;
  readonly maxChars: number;
  /** Returns how many were stored; the others can never be. Throws while the store is away. */
  write(facts: readonly StoredFact[]): Promise<number>;
}

/** Facts on their way to the writer: bounded, in order, one batch under way at a time. */
export class FactQueue {
  readonly #options: FactQueueOptions;
  #waiting: WeighedFact[] = [];
  #chars = 0;
  #done = 0;
  #lost = 0;
  #away = false;
  #closed = false;
  #underWay: Promise<void> | null = null;
  #cancelTimer: (() => void) | null = null;

  constructor(options: FactQueueOptions) {
    this.#options = options;
  }

  /** False when there is no room: the fact is lost. */
  push(fact: WeighedFact): boolean {
    const { maxFacts, maxChars } = this.#options;
    const isFull = this.#waiting.length >= maxFacts || this.#chars + fact.chars > maxChars;
    if (this.#closed || isFull) return this.lose(1);
    this.#waiting.push(fact);
    this.#chars += fact.chars;
    this.#wake(GATHER_MS);
    return true;
  }

  /** Counts facts as lost. Always false, as push would say. */
  lose(count: number): false {
    if (this.#lost === 0 && count > 0)
      this.#options.log.error("tracking-facts-lost", { waiting: this.#waiting.length });
    this.#lost += count;
    return false;
  }

  lost(): number {
    return this.#lost;
  }

  /** Throws Unavailable("tracking") when a fact taken so far cannot be stored. */
  flush(): Promise<void> {
    return withinLimit(this.#options.clock, (stopped) => this.#drain(stopped));
  }

  /** Stores what it can; the rest is lost. Never throws. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelTimer?.();
    await this.flush().catch(() => {});
    this.lose(this.#waiting.length);
    this.#waiting = [];
  }

  #wake(ms: number): void {
    if (this.#closed || this.#waiting.length === 0) return;
    this.#cancelTimer ??= this.#options.clock.after(ms, () => {
      this.#cancelTimer = null;
      if (!this.#underWay) this.#writeOne().catch(() => {});
    });
  }

  async #drain(stopped: () => boolean): Promise<void> {
    const goal = this.#done + this.#waiting.length;
    while (this.#done < goal && !stopped()) await (this.#underWay ?? this.#writeOne());
  }

  #writeOne(): Promise<void> {
    this.#underWay = this.#write(takeBatch(this.#waiting)).finally(() => {
      this.#underWay = null;
      if (this.#away) this.#wake(RETRY_MS);
      else this.#wake(this.#waiting.length < BATCH_FACTS ? GATHER_MS : 0);
    });
    return this.#underWay;
  }

  /** A batch that failed stays at the head of the line. */
  async #write(batch: readonly WeighedFact[]): Promise<void> {
    const { log, write } = this.#options;
    try {
      const stored = await write(batch.map(({ fact }) => fact));
      this.#waiting = this.#waiting.slice(batch.length);
      this.#chars -= batch.reduce((sum, { chars }) => sum + chars, 0);
      this.#done += batch.length;
      this.lose(batch.length - stored);
      if (this.#away) log.info("tracking-back", { lost: this.#lost });
      this.#away = false;
    } catch (error) {
      if (!this.#away) log.error("tracking-away", { error: errorText(error) });
      this.#away = true;
      throw error;
    }
  }
}

function takeBatch(waiting: readonly WeighedFact[]): readonly WeighedFact[] {
  let chars = 0;
  const end = waiting.findIndex((fact, index) => {
    chars += fact.chars;
    return index === BATCH_FACTS || (index > 0 && chars > BATCH_CHARS);
  });
  return end === -1 ? waiting.slice() : waiting.slice(0, end);
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
