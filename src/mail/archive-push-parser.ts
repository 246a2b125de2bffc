/** What a format's reader wants next from a stream that cannot be turned back. */
type Ask = { readonly kind: "take" | "skip"; readonly bytes: number };

/** The octets asked for (none for a skip); not whole when the stream ended before them. */
export interface Taken {
  /** Valid only until the reader asks again. */
  readonly octets: Buffer;
  readonly isWhole: boolean;
}

/**
 * A reader of a binary format, written as if it could read: it asks with `yield* take(n)` and
 * `yield* skip(n)`. It must bound what it takes, and take or skip something in every loop.
 */
export type PushReader = Asking<void>;

/** A step of a reader, for `yield*`. */
export type Asking<T> = Generator<Ask, T, Taken>;

export function* take(bytes: number): Asking<Taken> {
  return yield { kind: "take", bytes };
}

/** False when the stream ended before. */
export function* skip(bytes: number): Asking<boolean> {
  const { isWhole } = yield { kind: "skip", bytes };
  return isWhole;
}

/** Takes up to and with a NUL, of at most `max` octets; without the NUL. Null: there was none. */
export function* takeUntilNul(max: number): Asking<Buffer | null> {
  const octets: number[] = [];
  while (octets.length < max) {
    const { octets: next } = yield* take(1);
    if (next[0] === undefined) return null;
    if (next[0] === 0) return Buffer.from(octets);
    octets.push(next[0]);
  }
  return null;
}

/**
 * What lists nothing must end too: an archive may be of nothing but tiny headers. A tar of 200 MiB
 * of zeros asks 400,000 times; a million take about a second.
 */
const ASKS_MAX = 1_000_000;

/** Feeds a reader with chunks as they come. Copies only what lies across chunks. */
export class PushParser {
  readonly #reader: PushReader;
  readonly #onLimit: () => void;
  #ask: Ask | null;
  #asks = 0;
  #held: Buffer = Buffer.alloc(0);
  #got = 0;

  /** `onLimit` is called when the reader asks for so many things that it is stopped. */
  constructor(reader: PushReader, onLimit: () => void) {
    this.#reader = reader;
    this.#onLimit = onLimit;
    this.#ask = nextAsk(reader.next());
  }

  /** The reader wants no more. */
  isDone(): boolean {
    return this.#ask === null;
  }

  write(chunk: Buffer): void {
    let at = 0;
    while (this.#ask) {
      const { kind, bytes } = this.#ask;
      const some = chunk.subarray(at, at + bytes - this.#got);
      at += some.length;
      const isWhole = this.#got + some.length === bytes;
      if (kind === "take" && isWhole && this.#got === 0) {
        this.#answer({ octets: some, isWhole });
        continue;
      }
      if (kind === "take") this.#hold(some, bytes);
      this.#got += some.length;
      if (!isWhole) return;
      this.#answer({ octets: this.#held.subarray(0, kind === "take" ? bytes : 0), isWhole });
    }
  }

  end(): void {
    while (this.#ask) {
      const octets = this.#held.subarray(0, this.#ask.kind === "take" ? this.#got : 0);
      this.#answer({ octets, isWhole: this.#ask.bytes === 0 });
    }
  }

  #hold(some: Buffer, bytes: number): void {
    if (this.#held.length < bytes) this.#held = Buffer.alloc(bytes);
    some.copy(this.#held, this.#got);
  }

  #answer(taken: Taken): void {
    this.#got = 0;
    this.#ask = nextAsk(this.#reader.next(taken));
    if (++this.#asks < ASKS_MAX || !this.#ask) return;
    this.#ask = null;
    this.#onLimit();
  }
}

function nextAsk(result: IteratorResult<Ask, void>): Ask | null {
  return result.done ? null : result.value;
}
