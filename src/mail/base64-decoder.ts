import type { TransferDecoder } from "./transfer-decoder.ts";

const BLANK = 64;
const PAD = 65;
const JUNK = 66;
/** `-` and `_`, which stand for `+` and `/` in base64url (RFC 4648 5). */
const URL_LETTER = 67;

/**
 * RFC 2045 6.8. Octets outside the alphabet are ignored, as it asks and most readers do, but noted:
 * some stop there, and some take base64url, and get other octets from there on. What follows padding
 * is decoded as a new run, as some do, and noted too.
 */
export function createBase64Decoder(): TransferDecoder {
  const values = alphabet();
  let bits = 0;
  let sextets = 0;
  let padded = false;
  let junk = false;
  let isBehindUrlLetter = false;
  let hasUrlLetters = false;

  return {
    write(chunk) {
      const out = Buffer.allocUnsafe(Math.floor((chunk.length * 3) / 4) + 4);
      let end = 0;
      for (let at = 0; at < chunk.length; at++) {
        const value = values[chunk[at] as number] as number;
        if (value < 64) {
          if (padded) junk = true;
          else if (isBehindUrlLetter) hasUrlLetters = true;
          bits = (bits << 6) | value;
          if (++sextets === 4) {
            out[end++] = (bits >> 16) & 0xff;
            out[end++] = (bits >> 8) & 0xff;
            out[end++] = bits & 0xff;
            sextets = 0;
            bits = 0;
          }
        } else if (value === PAD) {
          padded = true;
          end = writeEnd(bits, sextets, out, end);
          sextets = 0;
          bits = 0;
        } else if (value >= JUNK) {
          junk = true;
        }
        isBehindUrlLetter = value === URL_LETTER;
      }
      return out.subarray(0, end);
    },
    end() {
      const out = Buffer.alloc(2);
      return out.subarray(0, writeEnd(bits, sextets, out, 0));
    },
    notes: () => [
      ...(junk ? (["junk-in-base64"] as const) : []),
      ...(hasUrlLetters ? (["base64-url-letters"] as const) : []),
    ],
  };
}

/** Writes the 1 or 2 octets of a run that ended early; the place behind them. */
function writeEnd(bits: number, sextets: number, out: Buffer, at: number): number {
  let end = at;
  if (sextets >= 2) out[end++] = (bits >> (sextets === 2 ? 4 : 10)) & 0xff;
  if (sextets === 3) out[end++] = (bits >> 2) & 0xff;
  return end;
}

function alphabet(): Uint8Array {
  const values = new Uint8Array(256).fill(JUNK);
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (let i = 0; i < letters.length; i++) values[letters.charCodeAt(i)] = i;
  for (const blank of "\r\n\t ") values[blank.charCodeAt(0)] = BLANK;
  values["=".charCodeAt(0)] = PAD;
  for (const letter of "-_") values[letter.charCodeAt(0)] = URL_LETTER;
  return values;
}
