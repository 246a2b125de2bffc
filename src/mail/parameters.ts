import { trimBlanks, trimBlanksAtEnd } from "./header-block.ts";

/** One `name=value` of Content-Type or Content-Disposition, in one reading. */
export interface Parameter {
  /** Lower case; may end in `*`, `*0`, `*0*` (RFC 2231). */
  readonly name: string;
  /** latin1, quotes and quoted pairs resolved. */
  readonly value: string;
}

export interface ParameterisedValue {
  /** What stands before the first semicolon, comments removed, lower case. */
  readonly main: string;
  /**
   * In order. A text that readers take apart in different ways gives the parameters of every way,
   * the one of RFC 2045 5.1 first.
   */
  readonly parameters: readonly Parameter[];
  /** More parameters, or longer ones, than are read. */
  readonly truncated: boolean;
  /** One name stands twice and says different things. */
  readonly contradictory: boolean;
}

/** Real mail has under ten; RFC 2231 continuations of a long name some tens. */
const PARAMETERS_MAX = 200;
/** RFC 5322 2.1.1 allows 998 on a line; a longer name has no honest use. */
const SEGMENT_CHARS_MAX = 4096;
/** Parameters without a semicolon between them. Each reads the rest again, so there are few. */
const UNSEPARATED_MAX = 4;

/** Reads a field value, unfolded, latin1. Linear; never throws. */
export function parseParameterised(value: string): ParameterisedValue {
  const first = endOfSegment(value, 0, true);
  const separated = segmentsOf(value, first + 1, true);
  const segments = [
    ...separated,
    // Readers that split at every semicolon see into quoted strings; some need no semicolon at all.
    ...(value.includes('"') ? segmentsOf(value, value.indexOf(";") + 1, false) : []),
  ];
  const parameters: Parameter[] = [];
  const main = withTightSlash(trimBlanks(withoutComments(value.slice(0, first))));
  const word = endOfWord(main, 0);
  let truncated = segments.length > PARAMETERS_MAX;
  const behindMain = main.slice(0, word).includes("=") ? main : main.slice(word);
  for (const segment of [behindMain, ...segments]) {
    truncated ||= segment.length > SEGMENT_CHARS_MAX || parameters.length >= PARAMETERS_MAX;
    if (parameters.length >= PARAMETERS_MAX) break;
    const wasRead = collect(segment.slice(0, SEGMENT_CHARS_MAX), parameters, UNSEPARATED_MAX);
    truncated ||= !wasRead;
  }
  return {
    main: main.slice(0, word).toLowerCase(),
    parameters: withoutDuplicates(parameters),
    truncated,
    contradictory: isContradictory(separated),
  };
}

function isContradictory(segments: readonly string[]): boolean {
  const said = new Map<string, string>();
  for (const segment of segments.slice(0, PARAMETERS_MAX)) {
    const own: Parameter[] = [];
    collect(segment.slice(0, SEGMENT_CHARS_MAX), own, 0);
    const [first] = own;
    if (!first) continue;
    const value = first.value.toLowerCase();
    if ((said.get(first.name) ?? value) !== value) return true;
    said.set(first.name, value);
  }
  return false;
}

/** `multipart / mixed`: blanks may stand between any two tokens (RFC 822 3.1.4). */
function withTightSlash(main: string): string {
  const slash = main.indexOf("/");
  if (slash < 0) return main;
  return `${trimBlanksAtEnd(main.slice(0, slash))}/${trimBlanks(main.slice(slash + 1))}`;
}

function segmentsOf(value: string, start: number, heedsQuotes: boolean): readonly string[] {
  const segments: string[] = [];
  for (let at = start; at < value.length && segments.length <= PARAMETERS_MAX; ) {
    const end = endOfSegment(value, at, heedsQuotes);
    segments.push(value.slice(at, end));
    at = end + 1;
  }
  return segments;
}

/** The position of the next semicolon, or the end. */
function endOfSegment(value: string, start: number, heedsQuotes: boolean): number {
  let quoted = false;
  for (let at = start; at < value.length; at++) {
    const char = value[at];
    if (char === "\\" && quoted) at++;
    else if (char === '"' && heedsQuotes) quoted = !quoted;
    else if (char === ";" && !quoted) return at;
  }
  return value.length;
}

/**
 * All readings of one segment: `name = value`, and what follows without a semicolon. False when more
 * followed than is read.
 */
function collect(segment: string, into: Parameter[], unseparated: number): boolean {
  const equals = segment.indexOf("=");
  if (equals < 0) return true;
  const name = trimBlanks(withoutComments(segment.slice(0, equals))).toLowerCase();
  const raw = trimBlanks(segment.slice(equals + 1));
  if (name !== "") for (const value of valueReadings(raw)) into.push({ name, value });
  const next = nextWithoutSemicolon(raw);
  if (next === null) return true;
  return unseparated > 0 && collect(next, into, unseparated - 1);
}

function valueReadings(raw: string): readonly string[] {
  const plain = raw.includes("(") ? trimBlanks(withoutComments(raw)) : raw;
  const start = plain.startsWith('"') ? plain : raw;
  if (start.startsWith('"')) {
    const end = endOfQuotes(start);
    const inside = start.slice(1, end);
    const literal = inside.includes("\\") ? [inside] : [];
    const behind = trimBlanks(start.slice(end + 1));
    const joined = behind === "" || behind.includes("=") ? [] : [inside + behind];
    return [withoutQuotedPairs(inside), ...literal, ...joined];
  }
  const word = plain.slice(0, endOfWord(plain, 0));
  const unquoted = plain.replaceAll('"', "");
  return [...new Set([plain, raw, word, unquoted])];
}

/** `a b=c`: the part from `b=` on, where a blank or a closing quote ends the value before it. */
function nextWithoutSemicolon(raw: string): string | null {
  const from = raw.startsWith('"') ? endOfQuotes(raw) + 1 : endOfWord(raw, 0);
  const rest = trimBlanks(raw.slice(from));
  return rest.includes("=") ? rest : null;
}

/** The position of the closing quote, or the end where it is missing. */
function endOfQuotes(text: string): number {
  for (let at = 1; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === '"') return at;
  }
  return text.length;
}

function endOfWord(text: string, start: number): number {
  let at = start;
  while (at < text.length && text[at] !== " " && text[at] !== "\t") at++;
  return at;
}

function withoutQuotedPairs(text: string): string {
  return text.replace(/\\(.?)/gs, "$1");
}

/** Comments nest (RFC 5322 3.2.2) and do not count inside quotes. An open one runs to the end. */
export function withoutComments(text: string): string {
  if (!text.includes("(")) return text;
  const kept: string[] = [];
  let depth = 0;
  let quoted = false;
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === "\\") at++;
    else if (char === '"' && depth === 0) quoted = !quoted;
    else if (char === "(" && !quoted && depth++ === 0) kept.push(text.slice(from, at));
    else if (char === ")" && !quoted && depth > 0 && --depth === 0) from = at + 1;
  }
  if (depth === 0) kept.push(text.slice(from));
  return kept.join("");
}

function withoutDuplicates(parameters: readonly Parameter[]): readonly Parameter[] {
  const seen = new Set<string>();
  return parameters.filter(({ name, value }) => {
    const key = `${name}=${value}`;
    return !seen.has(key) && seen.add(key);
  });
}
