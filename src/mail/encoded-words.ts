import { decodeCharset, decodeUnlabelled } from "./charset.ts";

/**
 * RFC 2047 2, read as leniently as mail readers do: blanks inside the text are let through, and
 * there is no limit of 75 characters. Each part stops at a question mark, so the time is linear.
 */
const ENCODED_WORD = /=\?([^?\s*]{1,64})(?:\*[^?\s]{0,64})?\?([bq])\?([^?]*)\?=/gi;

/** True when the text holds something that a reader would decode. */
export function hasEncodedWord(text: string): boolean {
  return text.search(ENCODED_WORD) >= 0;
}

/**
 * A header value for people: encoded words decoded, raw octets read as UTF-8 or else Windows-1252,
 * line breaks and other controls as blanks. The value is latin1, as in HeaderField.
 */
export function decodeHeaderText(value: string): string {
  return decodeWords(value)
    .replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ")
    .trim();
}

/** As decodeHeaderText, controls included: what a file name hides must be seen. */
export function decodeWords(value: string): string {
  if (!value.includes("=?")) return decodePlain(value);
  let text = "";
  let end = 0;
  let run: EncodedRun | null = null;
  for (const match of value.matchAll(ENCODED_WORD)) {
    const [word, charset = "", encoding = "", encoded = ""] = match;
    const between = value.slice(end, match.index);
    end = match.index + word.length;
    const bytes = decodeOctets(encoded, encoding);
    // RFC 2047 6.2: blanks between encoded words are not shown. A letter may be split over two.
    const adjacent = run !== null && /^\s*$/.test(between);
    if (run && adjacent && run.charset === charset.toLowerCase()) {
      run.octets.push(bytes);
      continue;
    }
    text += textOf(run) + (adjacent ? "" : decodePlain(between));
    run = { charset: charset.toLowerCase(), octets: [bytes] };
  }
  return text + textOf(run) + decodePlain(value.slice(end));
}

interface EncodedRun {
  readonly charset: string;
  readonly octets: Buffer[];
}

function textOf(run: EncodedRun | null): string {
  return run ? decodeCharset(Buffer.concat(run.octets), run.charset) : "";
}

function decodePlain(latin1: string): string {
  if (!/[\x80-\xff]/.test(latin1)) return latin1;
  return decodeUnlabelled(Buffer.from(latin1, "latin1"));
}

function decodeOctets(encoded: string, encoding: string): Buffer {
  if (encoding.toLowerCase() === "b") return Buffer.from(encoded, "base64");
  const latin1 = encoded
    .replaceAll("_", " ")
    .replace(/=([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(latin1, "latin1");
}
