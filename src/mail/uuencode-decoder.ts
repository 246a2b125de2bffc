import type { MimeNote } from "./mime-part.ts";
import type { TransferDecoder } from "./transfer-decoder.ts";

/** A line says up to 63 octets in 84 characters and its length; a longer one is no such line. */
const LINE_BYTES_MAX = 90;
const LF = 0x0a;
const CR = 0x0d;

/** The name in `begin 644 name`, or null for any other line (without its line break). */
export function parseBeginLine(line: Buffer): string | null {
  const match = /^begin [0-7]{3,4} +(.{1,998})$/s.exec(line.toString("latin1"));
  return match?.[1] ?? null;
}

export function isEndLine(line: Buffer): boolean {
  return line.length >= 3 && /^end[\t ]*$/.test(line.toString("latin1", 0, LINE_BYTES_MAX));
}

/** The octets of one line without its line break, or null when it is no line of data. */
export function decodeUuLine(line: Buffer): Buffer | null {
  if (line.length === 0 || line.length > LINE_BYTES_MAX) return null;
  const count = sextet(line[0]);
  const chars = Math.ceil(count / 3) * 4;
  // Mailers drop blanks at the end, which mean zero, and add a check character.
  if (line.length - 1 > chars + 2) return null;
  for (const octet of line) if (octet < 0x20 || octet > 0x60) return null;
  const out = Buffer.alloc((chars / 4) * 3);
  for (let from = 1, to = 0; from <= chars; from += 4, to += 3) {
    const [a, b, c, d] = [0, 1, 2, 3].map((i) => sextet(line[from + i])) as [
      number,
      number,
      number,
      number,
    ];
    out[to] = (a << 2) | (b >> 4);
    out[to + 1] = ((b & 15) << 4) | (c >> 2);
    out[to + 2] = ((c & 3) << 6) | d;
  }
  return out.subarray(0, count);
}

/** Content-Transfer-Encoding: x-uuencode. Lines that are no data are passed over. */
export function createUuencodeDecoder(): TransferDecoder {
  let held = Buffer.alloc(0);
  let over = false;

  function decodeLines(bytes: Buffer): Buffer {
    const decoded: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      const lf = bytes.indexOf(LF, at);
      if (lf < 0) {
        // The end of a line that is too long to be data only needs to be not data.
        held = Buffer.from(bytes.subarray(at, at + LINE_BYTES_MAX + 2));
        break;
      }
      const line = bytes.subarray(at, bytes[lf - 1] === CR && lf > at ? lf - 1 : lf);
      over ||= isEndLine(line);
      const octets = over || parseBeginLine(line) !== null ? null : decodeUuLine(line);
      if (octets) decoded.push(octets);
      at = lf + 1;
    }
    return Buffer.concat(decoded);
  }

  return {
    write(chunk) {
      const bytes = held.length > 0 ? Buffer.concat([held, chunk]) : chunk;
      held = Buffer.alloc(0);
      return decodeLines(bytes);
    },
    end: () => decodeLines(Buffer.concat([held, Buffer.of(LF)])),
    notes: (): readonly MimeNote[] => [],
  };
}

function sextet(octet: number | undefined): number {
  return octet === undefined ? 0 : (octet - 0x20) & 0x3f;
}
