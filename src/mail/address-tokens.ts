/** A piece of an address list. `text` is exactly the octets from `start` to `end`. */
export interface AddressToken {
  readonly kind: "word" | "quoted" | "literal" | Special | "end" | "bad";
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

type Special = "<" | ">" | "@" | "," | ";" | ":";

/** Atoms with their dots (RFC 5322 3.2.3), and octets above 127 as RFC 6532 lets them stand. */
const WORD = /[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~.\x80-\xff]+/y;
// Neither can hold a bare CR or LF, so that nobody hides a second line in them; folds are allowed.
const QUOTED = /"(?:[^"\\\r\n\0]|\\[^\r\n\0]|\r\n(?=[ \t]))*"/y;
const LITERAL = /\[[!-Z^-~]*\]/y;
const BLANKS = /(?:[ \t]|\r?\n(?=[ \t]))+/y;

/** The token at or after a position, comments and folds skipped. Each octet is looked at once. */
export function nextAddressToken(value: string, from: number): AddressToken {
  const start = afterComments(value, from);
  if (start < 0) return { kind: "bad", text: "", start: from, end: value.length };
  if (start >= value.length) return { kind: "end", text: "", start, end: start };
  const char = value.charAt(start);
  if (isSpecial(char)) return { kind: char, text: char, start, end: start + 1 };
  if (char === '"') return match("quoted", QUOTED, value, start);
  if (char === "[") return match("literal", LITERAL, value, start);
  return match("word", WORD, value, start);
}

function isSpecial(char: string): char is Special {
  return "<>@,;:".includes(char);
}

function match(
  kind: AddressToken["kind"],
  pattern: RegExp,
  value: string,
  start: number,
): AddressToken {
  const text = matchAt(pattern, value, start);
  if (text === "") return { kind: "bad", text: "", start, end: value.length };
  return { kind, text, start, end: start + text.length };
}

/** A sticky pattern carries its position: a copy, so that nothing is shared between two values. */
function matchAt(pattern: RegExp, value: string, at: number): string {
  const own = new RegExp(pattern);
  own.lastIndex = at;
  return own.exec(value)?.[0] ?? "";
}

/** The position after blanks, folds and comments; below 0 when a comment does not end. */
function afterComments(value: string, from: number): number {
  let at = from;
  for (;;) {
    at += matchAt(BLANKS, value, at).length;
    if (value[at] !== "(") return at;
    at = afterComment(value, at);
    if (at < 0) return at;
  }
}

/** RFC 5322 3.2.2: comments nest, however deep: counted, not called. */
function afterComment(value: string, start: number): number {
  let depth = 0;
  for (let at = start; at < value.length; at++) {
    const char = value[at];
    if (char === "\\") at += 1;
    else if (char === "(") depth += 1;
    else if (char === ")" && --depth === 0) return at + 1;
  }
  return -1;
}
