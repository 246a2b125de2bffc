// What others said is put on one line, within seven bits and a limit before it stands in a bounce
// (threats.md P7, W1): it may come from whoever would like to write a bounce of his own.

/** Enough of a reply to understand it. */
const MAX_WORDS = 1000;

/** Also takes out CR and LF. */
export function toAscii(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?");
}

/** A reply in its words. */
export function toWords(text: string): string {
  return toAscii(text).slice(0, MAX_WORDS);
}

export function isAscii(text: string): boolean {
  return !/[^\x20-\x7e]/.test(text);
}

/** An address, which may be UTF-8; envelopes also come from spool files. */
export function printable(spoken: string): string {
  return spoken.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]/g, "?");
}

const WRAP_AT = 70;

export function wrap(text: string): readonly string[] {
  const lines = text.match(new RegExp(`.{1,${WRAP_AT}}(?: |$)|.{${WRAP_AT}}`, "g")) ?? [];
  return lines.map((line) => line.trimEnd());
}
