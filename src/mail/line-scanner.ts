const LF = 0x0a;
const CR = 0x0d;
const NOTHING = Buffer.alloc(0);

/** Decides which lines of a stream are structure. All other octets are data. */
export interface LineSink {
  /** May a line that starts so be structure, and must it be seen whole? `second` may be unknown. */
  watches(first: number, second: number | undefined): boolean;
  /** Octets of the longest line that may be structure. */
  longestLine(): number;
  /** Of a whole watched line with its line break. */
  isStructure(line: Buffer): boolean;
  /** A line of structure. The line break before it is part of it and was not given as data. */
  structure(line: Buffer): void;
  /**
   * A watched line that is none, or the start of one that is too long. It is given as data as well,
   * later.
   */
  text(line: Buffer): void;
  /** Valid only during the call. */
  data(octets: Buffer): void;
}

/** Cuts a stream at lines of structure. Each octet is looked at a bounded number of times. */
export class LineScanner {
  readonly #sink: LineSink;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #inLine = false;
  /** The line break, or a CR that may begin one, behind the data given so far. */
  #tail: Buffer = NOTHING;

  constructor(sink: LineSink) {
    this.#sink = sink;
  }

  write(chunk: Buffer): void {
    this.#scan(chunk, this.#heldBytes > 0 ? this.#resume(chunk) : 0);
  }

  end(): void {
    if (this.#heldBytes > 0) this.#settle(this.#takeHeld());
    if (this.#tail.length > 0) this.#sink.data(this.#tail);
    this.#tail = NOTHING;
  }

  #scan(chunk: Buffer, start: number): void {
    let from = start;
    for (let at = start; at < chunk.length; ) {
      const lf = chunk.indexOf(LF, at);
      const end = lf < 0 ? chunk.length : lf + 1;
      const line = chunk.subarray(at, end);
      const watched = this.#isWatched(line);
      this.#inLine = lf < 0;
      if (watched && this.#inLine) {
        this.#give(chunk.subarray(from, at));
        this.#hold(line);
        this.#inLine = false;
        return;
      }
      if (watched && this.#take(line, chunk.subarray(from, at))) from = end;
      at = end;
    }
    this.#give(chunk.subarray(from));
  }

  #isWatched(line: Buffer): boolean {
    if (this.#inLine || !this.#sink.watches(line[0] as number, line[1])) return false;
    const longest = this.#sink.longestLine();
    if (line.length > longest) this.#sink.text(line.subarray(0, longest));
    return line.length <= longest;
  }

  /** True when a whole watched line was structure; the data before it is given then. */
  #take(line: Buffer, before: Buffer): boolean {
    if (!this.#sink.isStructure(line)) {
      this.#sink.text(line);
      return false;
    }
    this.#give(before);
    this.#giveStructure(line);
    return true;
  }

  /** Completes the line begun in earlier chunks. The position to go on from. */
  #resume(chunk: Buffer): number {
    const lf = chunk.indexOf(LF);
    const end = lf < 0 ? chunk.length : lf + 1;
    this.#hold(chunk.subarray(0, end));
    if (lf < 0 && this.#heldBytes <= this.#sink.longestLine()) return end;
    this.#inLine = lf < 0;
    this.#settle(this.#takeHeld());
    return end;
  }

  /** A held line is whole or too long: structure, or data after all. */
  #settle(line: Buffer): void {
    const longest = this.#sink.longestLine();
    if (line.length <= longest && this.#sink.isStructure(line)) {
      this.#giveStructure(line);
      return;
    }
    this.#sink.text(line.subarray(0, longest));
    this.#give(line);
  }

  #giveStructure(line: Buffer): void {
    this.#tail = NOTHING;
    this.#sink.structure(line);
  }

  #give(octets: Buffer): void {
    const rest = this.#joinsTail(octets) ? octets.subarray(1) : octets;
    if (rest !== octets) this.#tail = Buffer.of(CR, LF);
    if (rest.length === 0) return;
    if (this.#tail.length > 0) this.#sink.data(this.#tail);
    const end = rest.length - lineBreakLength(rest);
    if (end > 0) this.#sink.data(rest.subarray(0, end));
    this.#tail = end === rest.length ? NOTHING : Buffer.from(rest.subarray(end));
  }

  #joinsTail(octets: Buffer): boolean {
    return this.#tail.length === 1 && this.#tail[0] === CR && octets[0] === LF;
  }

  #hold(octets: Buffer): void {
    this.#held.push(Buffer.from(octets));
    this.#heldBytes += octets.length;
  }

  #takeHeld(): Buffer {
    const line = Buffer.concat(this.#held, this.#heldBytes);
    this.#held = [];
    this.#heldBytes = 0;
    return line;
  }
}

/** The octets of a line break at the end, or of a CR whose LF may follow. */
function lineBreakLength(octets: Buffer): number {
  const last = octets[octets.length - 1];
  if (last === CR) return 1;
  if (last !== LF) return 0;
  return octets[octets.length - 2] === CR ? 2 : 1;
}

/** The line without its line break. */
export function withoutLineBreak(line: Buffer): Buffer {
  return line[line.length - 1] === LF
    ? line.subarray(0, line.length - lineBreakLength(line))
    : line;
}
