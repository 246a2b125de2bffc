const NUL = 0x00;
const LF = 0x0a;
const CR = 0x0d;
const DOT = 0x2e;

export interface DataReaderOptions {
  readonly lineEndings: "refuse" | "normalise";
  /** Of the dot-unstuffed message (RFC 1870 section 3). */
  readonly maxBytes: number;
  readonly maxHeaderBytes: number;
  readonly maxHeaderLines: number;
}

/** What one chunk of DATA came to. */
export interface DataStep {
  /** Dot-unstuffed octets, lines ending in CRLF only. Empty once a fault was found. */
  readonly payload: Buffer;
  /** Octets of the chunk that belong to this message; the rest are commands. */
  readonly used: number;
  /** CRLF.CRLF was seen. */
  readonly ended: boolean;
}

export type ContentFault = "too-large" | "bare-line-ending" | "header-too-large";

// What makes a bare line ending CRLF. A CR is written when it is seen, but not after a held dot.
const BARE_CR = [LF];
const BARE_CR_HELD = [CR, LF];
const BARE_LF = [CR, LF];
const EMPTY = Buffer.alloc(0);

/** Where in a line the next octet stands. The dot and the CR of a lone dot are held back. */
type Place = "line-start" | "in-line" | "after-cr" | "lone-dot" | "lone-dot-cr" | "end";

/**
 * Reads a message as DATA carries it (RFC 5321 4.5.2), each octet once, so that neither the way the
 * network cut it nor dots or line endings placed by an attacker make it slower or let it see another
 * end: nothing but CRLF.CRLF ends DATA, and a faulty message is read to that very end, so that its
 * rest is never taken for commands (threats.md P1).
 */
export class DataReader {
  readonly #options: DataReaderOptions;
  #place: Place = "line-start";
  #fault: ContentFault | null = null;
  #out: Buffer = EMPTY;
  /** Octets of the message before this chunk, and those of this chunk so far. */
  #before = 0;
  #written = 0;
  /** Position in the message, and what is left of the header. */
  #lineStart = 0;
  #headerLines = 0;
  #inHeader = true;
  #leftOut = 0;

  constructor(options: DataReaderOptions) {
    this.#options = options;
  }

  /** The first fault found; later ones do not change the answer. */
  get fault(): ContentFault | null {
    return this.#fault;
  }

  /**
   * Octets of the dot-unstuffed message so far, those of a faulty message included, and those left
   * out: an endless stream of NUL is too large as well.
   */
  get size(): number {
    return this.#position + this.#leftOut;
  }

  get #position(): number {
    return this.#before + this.#written;
  }

  /** The chunk is the reader's from here on: a payload may be written over it. */
  read(chunk: Buffer): DataStep {
    this.#before += this.#written;
    this.#written = 0;
    // Normalising may write three octets for one (a held CR made CRLF, and the octet itself), but
    // only once; else two. Refusing never writes more than it read, and so needs no second buffer.
    const normalise = this.#options.lineEndings === "normalise";
    this.#out = normalise ? Buffer.allocUnsafe(2 * chunk.length + 2) : chunk;
    let used = 0;
    while (used < chunk.length && this.#place !== "end") used = this.#readRun(chunk, used);
    // A header line without end; the two octets may be the empty line after the header.
    const isLongHeader = this.#inHeader && this.#position - 2 >= this.#options.maxHeaderBytes;
    if (isLongHeader) this.#find("header-too-large");
    if (this.size > this.#options.maxBytes) this.#find("too-large");
    const payload = this.#fault === null ? this.#out.subarray(0, this.#written) : EMPTY;
    this.#out = EMPTY;
    return { payload, used, ended: this.#place === "end" };
  }

  /** Takes the ordinary octets up to the next that means something, and that one. */
  #readRun(chunk: Buffer, from: number): number {
    const run = this.#place === "in-line" ? this.#putRun(chunk, from) : from;
    if (run === chunk.length) return run;
    this.#take(chunk[run] as number);
    return run + 1;
  }

  /** Copies what is ordinary; in the body, where lines need not be counted, line ends too. */
  #putRun(chunk: Buffer, from: number): number {
    const out = this.#out;
    const isApart = out !== chunk;
    const inBody = !this.#inHeader;
    const { length } = chunk;
    let to = this.#written;
    let at = from;
    for (; at < length; at++) {
      const octet = chunk[at] as number;
      if (octet <= CR && (octet === CR || octet === LF || octet === NUL)) {
        const skipped = inBody && octet === CR ? lineEndOctets(chunk, at) : 0;
        if (skipped === 0) break;
        out[to++] = CR;
        out[to++] = LF;
        at += skipped - 1;
      } else {
        // Most of a message stands already where it would be written: no dot was taken out yet.
        if (isApart || to !== at) out[to] = octet;
        to++;
      }
    }
    this.#written = to;
    return at;
  }

  #take(octet: number): void {
    const place = this.#place;
    if (place === "line-start" && octet === DOT) {
      this.#place = "lone-dot";
    } else if (place === "lone-dot" && octet === CR) {
      this.#place = "lone-dot-cr";
    } else if (place === "lone-dot-cr" && octet === LF) {
      this.#place = "end";
    } else if (place === "after-cr" && octet === LF) {
      this.#put(LF);
      this.#endLine();
      this.#place = "line-start";
    } else {
      if (place === "after-cr") this.#bareEnding(BARE_CR);
      if (place === "lone-dot-cr") this.#bareEnding(BARE_CR_HELD);
      this.#takeInLine(octet);
    }
  }

  #takeInLine(octet: number): void {
    this.#place = "in-line";
    if (octet === LF) {
      this.#bareEnding(BARE_LF);
    } else if (octet === NUL) {
      this.#leftOut += 1;
      if (this.#options.lineEndings === "refuse") this.#find("bare-line-ending");
    } else {
      this.#put(octet);
      if (octet === CR) this.#place = "after-cr";
    }
  }

  /** Only after a true CRLF may a dot be stuffed, so what follows stands "in-line". */
  #bareEnding(completion: readonly number[]): void {
    if (this.#options.lineEndings === "refuse") {
      this.#leftOut += 1;
      this.#find("bare-line-ending");
      return;
    }
    for (const octet of completion) this.#put(octet);
    this.#endLine();
  }

  #put(octet: number): void {
    this.#out[this.#written++] = octet;
  }

  #endLine(): void {
    if (!this.#inHeader) return;
    const isEmpty = this.#position - this.#lineStart === 2;
    this.#lineStart = this.#position;
    this.#headerLines += 1;
    if (isEmpty) this.#inHeader = false;
    else if (this.#headerLines > this.#options.maxHeaderLines) this.#find("header-too-large");
    else if (this.#position > this.#options.maxHeaderBytes) this.#find("header-too-large");
  }

  #find(fault: ContentFault): void {
    this.#fault ??= fault;
  }
}

/** The octets of a CRLF and of the dot stuffed behind it, or 0 when more must be known or done. */
function lineEndOctets(chunk: Buffer, at: number): number {
  if (chunk[at + 1] !== LF || at + 3 >= chunk.length) return 0;
  if (chunk[at + 2] !== DOT) return 2;
  return chunk[at + 3] === CR ? 0 : 3;
}
