const LF = 0x0a;
const CR = 0x0d;
const EMPTY = Buffer.alloc(0);

/** An over-long line is skipped up to its CRLF; whoever sends more than this sends no commands. */
export const MAX_SKIPPED_OCTETS = 65_536;

export type LineStep =
  /** A command without its CRLF. */
  | { readonly kind: "line"; readonly line: Buffer; readonly used: number }
  /** The line has no end yet. */
  | { readonly kind: "partial"; readonly used: number }
  /** Longer than allowed; it was skipped to its CRLF. */
  | { readonly kind: "too-long"; readonly used: number }
  /** A CR or LF that is not CRLF, or no CRLF within MAX_SKIPPED_OCTETS: not SMTP. */
  | { readonly kind: "not-smtp"; readonly used: number };

/**
 * Cuts command lines. Only CRLF ends one (RFC 5321 2.3.8): a server that also takes a bare LF reads
 * other commands than the relay before it did.
 */
export class LineReader {
  readonly #maxOctets: number;
  #pending: Buffer = EMPTY;
  #skipped = 0;

  /** `maxOctets` with the CRLF. */
  constructor(maxOctets: number) {
    this.#maxOctets = maxOctets;
  }

  /** Reads up to the end of one line. `used` is never 0 for a chunk that is not empty. */
  read(chunk: Buffer): LineStep {
    const held = this.#pending.length;
    const text = held === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    this.#pending = EMPTY;
    const lf = text.indexOf(LF);
    const end = lf < 0 ? text.length : lf;
    const cr = text.subarray(0, end).indexOf(CR);
    if (lf < 0) return this.#readPartial(text, cr, chunk.length);
    const used = lf + 1 - held;
    if (cr < 0 || cr !== lf - 1) return { kind: "not-smtp", used };
    const tooLong = this.#skipped > 0 || lf + 1 > this.#maxOctets;
    this.#skipped = 0;
    return tooLong
      ? { kind: "too-long", used }
      : { kind: "line", line: text.subarray(0, cr), used };
  }

  #readPartial(text: Buffer, cr: number, used: number): LineStep {
    if (cr >= 0 && cr < text.length - 1) return { kind: "not-smtp", used };
    this.#pending = text;
    if (this.#skipped > 0 || text.length > this.#maxOctets) {
      // Only a CR at the end still matters.
      this.#pending = cr < 0 ? EMPTY : text.subarray(cr);
      this.#skipped += text.length - this.#pending.length;
      if (this.#skipped > MAX_SKIPPED_OCTETS) return { kind: "not-smtp", used };
    }
    // A copy, so that a few octets do not keep the whole chunk alive while the client idles.
    this.#pending = Buffer.from(this.#pending);
    return { kind: "partial", used };
  }
}
