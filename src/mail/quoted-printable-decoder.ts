import type { MimeNote } from "./mime-part.ts";
import type { TransferDecoder } from "./transfer-decoder.ts";

const EQUALS = 0x3d;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;

/** Blanks between `=` and the line break that transports add; more than a line's worth is text. */
const PADDING_MAX = 76;

/**
 * RFC 2045 6.7, without removing blanks at line ends. An `=` that starts neither an octet nor a soft
 * line break stays as it is and is noted.
 */
export class QuotedPrintableDecoder implements TransferDecoder {
  /** From an `=` on, while it is not yet known what it starts. */
  #held: number[] = [];
  #state: "text" | "equals" | "digit" | "padding" = "text";
  #junk = false;

  write(chunk: Buffer): Buffer {
    if (this.#state === "text" && !chunk.includes(EQUALS)) return chunk;
    const out = Buffer.allocUnsafe(this.#held.length + chunk.length);
    let end = 0;
    for (const octet of chunk) {
      end = this.#state === "text" ? this.#putText(octet, out, end) : this.#put(octet, out, end);
    }
    return out.subarray(0, end);
  }

  end(): Buffer {
    const isSoftBreak = this.#state === "equals" || this.#state === "padding";
    const rest = Buffer.from(this.#held);
    this.#release();
    if (isSoftBreak) return Buffer.alloc(0);
    this.#junk ||= rest.length > 0;
    return rest;
  }

  notes(): readonly MimeNote[] {
    return this.#junk ? ["junk-in-quoted-printable"] : [];
  }

  #putText(octet: number, out: Buffer, end: number): number {
    if (octet === EQUALS) {
      this.#hold(octet, "equals");
      return end;
    }
    out[end] = octet;
    return end + 1;
  }

  #put(octet: number, out: Buffer, end: number): number {
    const meaning = this.#resolve(octet);
    if (meaning === "taken") return end;
    if (meaning !== "text") {
      out[end] = meaning;
      return end + 1;
    }
    this.#junk = true;
    let next = end;
    for (const literal of this.#held) out[next++] = literal;
    this.#release();
    return this.#putText(octet, out, next);
  }

  /** What an octet means after an `=`: taken, a decoded octet, or that the `=` was text. */
  #resolve(octet: number): "taken" | "text" | number {
    const value = hexValue(octet);
    if (this.#state === "digit") {
      if (value < 0) return "text";
      const decoded = hexValue(this.#held[1] ?? 0) * 16 + value;
      this.#release();
      return decoded;
    }
    if (octet === LF) {
      this.#release();
      return "taken";
    }
    if (isPadding(octet) && this.#held.length < PADDING_MAX) return this.#hold(octet, "padding");
    if (this.#state === "equals" && value >= 0) return this.#hold(octet, "digit");
    return "text";
  }

  #hold(octet: number, next: "equals" | "digit" | "padding"): "taken" {
    this.#held.push(octet);
    this.#state = next;
    return "taken";
  }

  #release(): void {
    this.#held = [];
    this.#state = "text";
  }
}

function isPadding(octet: number): boolean {
  return octet === SPACE || octet === TAB || octet === CR;
}

function hexValue(octet: number): number {
  if (octet >= 0x30 && octet <= 0x39) return octet - 0x30;
  const upper = octet & 0xdf;
  return upper >= 0x41 && upper <= 0x46 ? upper - 0x37 : -1;
}
