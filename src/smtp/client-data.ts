const CR = 0x0d;
const LF = 0x0a;
const DOT = 0x2e;
const CRLF = Buffer.from("\r\n");

/**
 * The message holds an octet that must never leave us: a bare CR, a bare LF or a NUL. A receiver
 * that takes one for a line end would see a second message in it (threats.md P2).
 */
export class UnsendableOctet extends Error {
  constructor(what: string) {
    super(`the message holds ${what}`);
    this.name = "UnsendableOctet";
  }
}

/**
 * What goes over the wire between 354 and the final dot, which is left to the caller: dots doubled
 * at the start of lines (RFC 5321 4.5.2), a CRLF added when the last line has none. Throws
 * UnsendableOctet; whatever was yielded before must then never be ended with a dot.
 */
export async function* toWireData(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const writer = new WireWriter();
  for await (const chunk of source) if (chunk.length > 0) yield writer.write(chunk);
  yield* writer.end();
}

/**
 * The same of a small message in memory. Most have nothing to double or to refuse: a regular expression
 * tells in a quarter of the time. Where it finds something it was in vain, which is not for large
 * messages: somebody may fill one with dots.
 */
export function toWireOctets(chunks: readonly Buffer[]): readonly Buffer[] {
  const writer = new WireWriter();
  const octets = chunks.filter(({ length }) => length > 0).map((chunk) => writer.writeSmall(chunk));
  return [...octets, ...writer.end()];
}

/** An octet to refuse, or a dot to double, behind a line end or in front. A CR at the end is not known yet. */
const NOT_PLAIN = /^\.|\0|(?<!\r)\n|\r(?!\n|$)|\n\./;

/** For the chunks of one message, none of them empty, in their order. */
class WireWriter {
  // A message begins with a line.
  #previous = LF;

  write(chunk: Buffer): Buffer {
    // An LF that is not the end of a CRLF was refused.
    const before = { octet: this.#previous, isLineEnd: this.#previous === LF };
    this.#previous = chunk.at(-1) ?? LF;
    return toWireChunk(chunk, before);
  }

  writeSmall(chunk: Buffer): Buffer {
    const isPlain = this.#previous === LF && !NOT_PLAIN.test(chunk.toString("latin1"));
    if (!isPlain) return this.write(chunk);
    this.#previous = chunk.at(-1) ?? LF;
    return chunk;
  }

  /** What is left to be written. */
  end(): readonly Buffer[] {
    if (this.#previous === CR) throw new UnsendableOctet("a bare CR");
    return this.#previous === LF ? [] : [CRLF];
  }
}

/**
 * One pass over the octets, and one copy of those with dots to double: a message of nothing but dots
 * may not cost more than another. `before` is what stands in front of the chunk; a CR at
 * the chunk's end is judged with the next.
 */
function toWireChunk(
  chunk: Buffer,
  before: { readonly octet: number; readonly isLineEnd: boolean },
): Buffer {
  let previous = before.octet;
  let startsLine = before.isLineEnd;
  let dots = 0;
  // Not for...of: the iterator of a Buffer takes three times as long as the index.
  for (let at = 0; at < chunk.length; at++) {
    const octet = chunk[at] ?? 0;
    if (octet <= CR) checkOctet(octet, previous);
    if (previous === CR && octet !== LF) throw new UnsendableOctet("a bare CR");
    if (octet === DOT && startsLine) dots += 1;
    startsLine = octet === LF;
    previous = octet;
  }
  return dots === 0 ? chunk : doubleDots(chunk, dots, before.isLineEnd);
}

function checkOctet(octet: number, previous: number): void {
  if (octet === 0) throw new UnsendableOctet("a NUL");
  if (octet === LF && previous !== CR) throw new UnsendableOctet("a bare LF");
}

/** Every LF here follows a CR: toWireChunk has seen the chunk. */
function doubleDots(chunk: Buffer, dots: number, isLineStart: boolean): Buffer {
  const out = Buffer.allocUnsafe(chunk.length + dots);
  let startsLine = isLineStart;
  let at = 0;
  for (let from = 0; from < chunk.length; from++) {
    const octet = chunk[from] ?? 0;
    if (startsLine && octet === DOT) out[at++] = DOT;
    out[at++] = octet;
    startsLine = octet === LF;
  }
  return out;
}
