import { endOfComment } from "./comment.ts";

/** A piece of an address list. `text` is exactly the octets from `start` to `end`. */
export interface AddressToken {
  readonly kind: "word" | "quoted" | "literal" | Special | "end" | "bad";
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

type Special = "<" | ">" | "@" | "," | ";" | ":";

/** The token at or after a position, comments and folds skipped. Each octet is looked at once. */
export function nextAddressToken(value: string, from: number): AddressToken {
  const start = afterComments(value, from);
  if (start < 0) return toToken("bad", value, from, value.length);
  if (start >= value.length) return toToken("end", value, start, start);
  const char = value.charAt(start);
  if (isSpecial(char)) return { kind: char, text: char, start, end: start + 1 };
  const kind = char === '"' ? "quoted" : char === "[" ? "literal" : "word";
  const end = ENDS[kind](value, start);
  return end > start
    ? toToken(kind, value, start, end)
    : toToken("bad", value, start, value.length);
}

/** Where a token that begins at a position ends; at or before it where there is none. */
const ENDS = { word: endOfWord, quoted: endOfQuoted, literal: endOfLiteral } as const;

function toToken(
  kind: AddressToken["kind"],
  value: string,
  start: number,
  end: number,
): AddressToken {
  return { kind, text: value.slice(start, end), start, end };
}

function isSpecial(char: string): char is Special {
  return "<>@,;:".includes(char);
}

/** Atoms with their dots (RFC 5322 3.2.3), and octets above 127 as RFC 6532 lets them stand. */
function endOfWord(value: string, start: number): number {
  let end = start;
  while (end < value.length && isWordOctet(value.charCodeAt(end))) end += 1;
  return end;
}

function isWordOctet(code: number): boolean {
  if (code >= 97) return code !== DELETE;
  if (code >= 65) return code <= 90 || (code >= 94 && code <= 96);
  return code > 32 && !NO_WORD.includes(String.fromCharCode(code));
}

const DELETE = 127;
/** RFC 5322 3.2.3, specials below the letters; a dot is let stand. */
const NO_WORD = '"(),:;<>@';

/**
 * No bare CR, LF or NUL, so that nobody hides a second line in it, and none behind a backslash,
 * where readers differ; folds are allowed.
 */
function endOfQuoted(value: string, start: number): number {
  for (let at = start + 1; at < value.length; at++) {
    const char = value[at];
    if (char === '"') return at + 1;
    if (char === "\\") {
      at += 1;
      if (isBreak(value[at])) return start;
    } else if (isBreak(char)) {
      const fold = foldAt(value, at);
      if (fold === 0) return start;
      at += fold - 1;
    }
  }
  return start;
}

function isBreak(char: string | undefined): boolean {
  return char === "\r" || char === "\n" || char === "\0" || char === undefined;
}

function endOfLiteral(value: string, start: number): number {
  for (let at = start + 1; at < value.length; at++) {
    const char = value.charAt(at);
    if (char === "]") return at + 1;
    if (char <= " " || char > "~" || char === "[" || char === "\\") return start;
  }
  return start;
}

/** The position after blanks, folds and comments; below 0 when a comment does not end. */
function afterComments(value: string, from: number): number {
  let at = from;
  for (;;) {
    at = afterBlanks(value, at);
    if (value[at] !== "(") return at;
    const end = endOfComment(value, at);
    if (end === null) return -1;
    at = end;
  }
}

function afterBlanks(value: string, from: number): number {
  for (let at = from; ; ) {
    if (isBlank(value[at])) at += 1;
    else {
      const fold = foldAt(value, at);
      if (fold === 0) return at;
      at += fold;
    }
  }
}

/** Octets of a line break that a blank follows (RFC 5322 2.2.3); 0 when there is none. */
function foldAt(value: string, at: number): number {
  const length = value[at] === "\r" && value[at + 1] === "\n" ? 2 : value[at] === "\n" ? 1 : 0;
  return length > 0 && isBlank(value[at + length]) ? length : 0;
}

function isBlank(char: string | undefined): boolean {
  return char === " " || char === "\t";
}
