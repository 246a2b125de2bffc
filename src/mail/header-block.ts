/** One header field as it came. Octets are kept one char each (latin1). */
export interface HeaderField {
  /**
   * As written, without the colon. Empty for a line that is no field: without a colon, or a
   * continuation with nothing before it. Such lines match no name and are relayed as they came.
   */
  readonly name: string;
  /** Everything after the colon, with folds, without the final CRLF. */
  readonly rawValue: string;
  /** Position of the field in the message: first octet, and the octet after its final CRLF. */
  readonly start: number;
  readonly end: number;
}

/**
 * The header section of a message, in order. Names compare without case. Never an object keyed by
 * what a sender wrote: `__proto__` is a name like any other.
 */
export interface HeaderBlock {
  readonly fields: readonly HeaderField[];
  /** All fields of that name, in order. */
  all(name: string): readonly HeaderField[];
  /** The unfolded, trimmed value of the first field of that name, else null. */
  first(name: string): string | null;
}

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;

/**
 * The fields up to the first empty line or the end. Never throws. Lines end at LF with or without
 * CR before it: SMTP lets only CRLF in, decoded parts may hold either.
 */
export function parseHeaderBlock(bytes: Buffer): HeaderBlock {
  const fields: HeaderField[] = [];
  let start = 0;
  for (let line = 0; line < bytes.length; ) {
    const next = nextLine(bytes, line);
    if (isEmptyLine(bytes, line)) break;
    if (next >= bytes.length || !isBlank(bytes[next])) {
      fields.push(toField(bytes, start, next));
      start = next;
    }
    line = next;
  }
  return toHeaderBlock(fields);
}

/** A block over fields that were found elsewhere. */
function toHeaderBlock(fields: readonly HeaderField[]): HeaderBlock {
  const byName = new Map<string, HeaderField[]>();
  for (const field of fields) {
    const key = toNameKey(field.name);
    const known = byName.get(key);
    if (known) known.push(field);
    else byName.set(key, [field]);
  }
  const all = (name: string) => byName.get(toNameKey(name)) ?? [];
  return {
    fields,
    all,
    first(name) {
      const field = all(name)[0];
      return field ? unfold(field.rawValue) : null;
    },
  };
}

/** Lower case without the blanks that old syntax allows before the colon (RFC 5322 4.5). */
export function toNameKey(name: string): string {
  return trimBlanks(name).toLowerCase();
}

/** The value on one line: line breaks before a blank go, the blank stays (RFC 5322 2.2.3). */
export function unfold(rawValue: string): string {
  return trimBlanks(rawValue.replace(/\r?\n/g, ""));
}

/**
 * Without leading and trailing space, tab, CR and LF. Not String.trim, which also takes U+00A0: in
 * latin1 that is the last octet of many UTF-8 letters. Not a regular expression, which would be
 * quadratic in long runs of blanks.
 */
export function trimBlanks(text: string): string {
  let start = 0;
  while (start < text.length && isTrimmed(text.charCodeAt(start))) start++;
  return trimBlanksAtEnd(text.slice(start));
}

export function trimBlanksAtEnd(text: string): string {
  let end = text.length;
  while (end > 0 && isTrimmed(text.charCodeAt(end - 1))) end--;
  return text.slice(0, end);
}

function isTrimmed(code: number): boolean {
  return code === SPACE || code === TAB || code === CR || code === LF;
}

function toField(bytes: Buffer, start: number, end: number): HeaderField {
  const text = bytes.toString("latin1", start, withoutLineEnd(bytes, start, end));
  const colon = isBlank(bytes[start]) ? -1 : text.indexOf(":");
  const lineEnd = text.indexOf("\n");
  if (colon < 0 || (lineEnd >= 0 && colon > lineEnd))
    return { name: "", rawValue: text, start, end };
  return { name: text.slice(0, colon), rawValue: text.slice(colon + 1), start, end };
}

function nextLine(bytes: Buffer, from: number): number {
  const found = bytes.indexOf(LF, from);
  return found < 0 ? bytes.length : found + 1;
}

function withoutLineEnd(bytes: Buffer, start: number, end: number): number {
  if (end === start || bytes[end - 1] !== LF) return end;
  return end - 2 >= start && bytes[end - 2] === CR ? end - 2 : end - 1;
}

function isEmptyLine(bytes: Buffer, at: number): boolean {
  return bytes[at] === LF || (bytes[at] === CR && bytes[at + 1] === LF);
}

function isBlank(octet: number | undefined): boolean {
  return octet === SPACE || octet === TAB;
}
