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
export function createQuotedPrintableDecoder(): TransferDecoder {
  /** From an `=` on, while it is not yet known what it starts. */
  let held: number[] = [];
  let state: "text" | "equals" | "digit" | "padding" = "text";
  let junk = false;

  function hold(octet: number, next: typeof state): "taken" {
    held.push(octet);
    state = next;
    return "taken";
  }

  function release(): void {
    held = [];
    state = "text";
  }

  /** What an octet means after an `=`: taken, a decoded octet, or that the `=` was text. */
  function resolve(octet: number): "taken" | "text" | number {
    const value = hexValue(octet);
    if (state === "digit") {
      if (value < 0) return "text";
      const decoded = hexValue(held[1] ?? 0) * 16 + value;
      release();
      return decoded;
    }
    if (octet === LF) {
      release();
      return "taken";
    }
    if (isPadding(octet) && held.length < PADDING_MAX) return hold(octet, "padding");
    if (state === "equals" && value >= 0) return hold(octet, "digit");
    return "text";
  }

  function write(chunk: Buffer): Buffer {
    if (state === "text" && !chunk.includes(EQUALS)) return chunk;
    const out = Buffer.allocUnsafe(held.length + chunk.length);
    let end = 0;
    for (const octet of chunk) {
      if (state !== "text") {
        const meaning = resolve(octet);
        if (meaning === "taken") continue;
        if (meaning !== "text") {
          out[end++] = meaning;
          continue;
        }
        junk = true;
        for (const literal of held) out[end++] = literal;
        release();
      }
      if (octet === EQUALS) hold(octet, "equals");
      else out[end++] = octet;
    }
    return out.subarray(0, end);
  }

  return {
    write,
    end() {
      const rest = Buffer.from(held);
      const isSoftBreak = state === "equals" || state === "padding";
      release();
      return isSoftBreak ? Buffer.alloc(0) : rest;
    },
    notes: () => (junk ? ["junk-in-quoted-printable"] : []),
  };
}

function isPadding(octet: number): boolean {
  return octet === SPACE || octet === TAB || octet === CR;
}

function hexValue(octet: number): number {
  if (octet >= 0x30 && octet <= 0x39) return octet - 0x30;
  const upper = octet & 0xdf;
  return upper >= 0x41 && upper <= 0x46 ? upper - 0x37 : -1;
}
