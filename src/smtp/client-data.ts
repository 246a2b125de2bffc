const CR = 0x0d;
const LF = 0x0a;
const DOT = 0x2e;
const DOUBLE_DOT = Buffer.from("..");
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
  let previous = LF;
  let beforePrevious = CR;
  for await (const chunk of source) {
    if (chunk.length === 0) continue;
    checkOctets(chunk, previous);
    yield stuffDots(chunk, beforePrevious === CR && previous === LF);
    beforePrevious = chunk.at(-2) ?? previous;
    previous = chunk.at(-1) ?? previous;
  }
  if (previous === CR) throw new UnsendableOctet("a bare CR");
  if (previous !== LF) yield CRLF;
}

/** `previous` is the octet before the chunk; a CR at the chunk's end is judged with the next. */
function checkOctets(chunk: Buffer, previous: number): void {
  if (chunk.includes(0)) throw new UnsendableOctet("a NUL");
  if (previous === CR && chunk[0] !== LF) throw new UnsendableOctet("a bare CR");
  for (let at = chunk.indexOf(LF); at !== -1; at = chunk.indexOf(LF, at + 1)) {
    if ((at === 0 ? previous : chunk[at - 1]) !== CR) throw new UnsendableOctet("a bare LF");
  }
  for (let at = chunk.indexOf(CR); at !== -1; at = chunk.indexOf(CR, at + 1)) {
    if (at + 1 < chunk.length && chunk[at + 1] !== LF) throw new UnsendableOctet("a bare CR");
  }
}

/** Every LF here follows a CR: checkOctets has seen the chunk. */
function stuffDots(chunk: Buffer, startsLine: boolean): Buffer {
  const pieces: Buffer[] = [];
  let done = 0;
  const double = (dot: number) => {
    pieces.push(chunk.subarray(done, dot), DOUBLE_DOT);
    done = dot + 1;
  };
  if (startsLine && chunk[0] === DOT) double(0);
  for (let at = chunk.indexOf(LF); at !== -1; at = chunk.indexOf(LF, at + 1)) {
    if (chunk[at + 1] === DOT) double(at + 1);
  }
  if (pieces.length === 0) return chunk;
  pieces.push(chunk.subarray(done));
  return Buffer.concat(pieces);
}
