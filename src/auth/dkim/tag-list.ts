import { trimBlanks } from "../../mail/header-block.ts";

/** One tag of a list (RFC 6376 3.2). */
export interface Tag {
  /** Without the blanks and folds around it. */
  readonly value: string;
  /** What stands between `=` and the next `;` in the text, blanks included. */
  readonly start: number;
  readonly end: number;
}

export type TagList = ReadonlyMap<string, Tag>;

const NAME = /^[A-Za-z][A-Za-z0-9_]*$/;
// VALCHAR, blanks, and the octets of UTF-8 that RFC 8616 lets stand in d=, i= and s=. No NUL, no
// controls: a NUL in a name has made verifiers ask the keys of somebody else (threats.md A1).
const FORBIDDEN = /[^\t\x20-\x3a\x3c-\x7e\x80-\xff]/;

/**
 * The tags by name, or what is wrong: one broken or repeated tag makes the whole list unusable, as
 * RFC 6376 3.2 says. Linear in the length.
 */
export function parseTagList(text: string): TagList | string {
  const tags = new Map<string, Tag>();
  for (let start = 0; start <= text.length; ) {
    const semicolon = text.indexOf(";", start);
    const end = semicolon < 0 ? text.length : semicolon;
    const isLast = semicolon < 0;
    const wrong = addTag(tags, text, start, end, isLast);
    if (wrong) return wrong;
    start = end + 1;
  }
  return tags;
}

/** Returns what is wrong, or null. */
function addTag(
  tags: Map<string, Tag>,
  text: string,
  start: number,
  end: number,
  isLast: boolean,
): string | null {
  const piece = text.slice(start, end);
  const unfolded = withoutFolds(piece);
  if (FORBIDDEN.test(unfolded)) return "a character that no tag may hold";
  if (isLast && trimBlanks(unfolded) === "") return null;
  const equals = piece.indexOf("=");
  if (equals < 0) return "a tag without a value";
  const name = trimBlanks(withoutFolds(piece.slice(0, equals)));
  if (!NAME.test(name)) return "a tag without a proper name";
  if (tags.has(name)) return `the tag ${name.slice(0, 20)} is given twice`;
  const value = trimBlanks(withoutFolds(piece.slice(equals + 1)));
  tags.set(name, { value, start: start + equals + 1, end });
  return null;
}

/** Without any blanks: base64, and lists of names, may be folded anywhere. */
export function withoutBlanks(text: string): string {
  return text.replace(/[ \t]/g, "");
}

/** RFC 4648 4 with its padding, so that one signature has one spelling; null: it is not. */
export function decodeBase64(text: string): Buffer | null {
  const bare = withoutBlanks(text);
  if (bare.length === 0 || bare.length % 4 !== 0) return null;
  return /^[A-Za-z0-9+/]+={0,2}$/.test(bare) ? Buffer.from(bare, "base64") : null;
}

function withoutFolds(text: string): string {
  return text.replace(/\r?\n(?=[ \t])/g, "");
}
