/** A pattern of a policy, made for matching: the pieces between its `*`, as code points. */
interface Pattern {
  readonly text: string;
  readonly head: readonly string[];
  readonly middle: readonly (readonly string[])[];
  /** null: a pattern without `*`, which is all head. */
  readonly tail: readonly string[] | null;
}

/** Finds the first pattern that a name or a type matches. */
export interface PatternList {
  /** The pattern as policy wrote it, or null. */
  match(name: string): string | null;
}

/**
 * Patterns of `*` (any characters) and `?` (one character) over whole names, whatever the case. No
 * RegExp is made of policy: each piece is looked for once, from the left, so a hostile name costs
 * its length times that of the pattern at most.
 */
export function compilePatterns(patterns: readonly string[]): PatternList {
  const compiled = patterns.map(compile);
  return {
    match(name) {
      const folded = toFolded(withoutTrailing(name));
      return compiled.find((pattern) => matches(folded, pattern))?.text ?? null;
    },
  };
}

function compile(text: string): Pattern {
  const [head = [], ...rest] = text.split("*").map(toFolded);
  return { text, head, middle: rest.slice(0, -1), tail: rest.at(-1) ?? null };
}

function matches(name: readonly string[], { head, middle, tail }: Pattern): boolean {
  if (tail === null) return name.length === head.length && fits(name, head, 0);
  let at = head.length;
  const end = name.length - tail.length;
  if (at > end || !fits(name, tail, end) || !fits(name, head, 0)) return false;
  for (const piece of middle) {
    // The leftmost place leaves the most room for the pieces behind it.
    while (at + piece.length <= end && !fits(name, piece, at)) at++;
    at += piece.length;
    if (at > end) return false;
  }
  return true;
}

function fits(name: readonly string[], piece: readonly string[], at: number): boolean {
  return piece.every((character, i) => character === "?" || character === name[at + i]);
}

/** By characters, so that `?` stands for an emoji too. */
function toFolded(text: string): readonly string[] {
  return [...text.normalize("NFC").toLowerCase()];
}

/** Windows drops dots and blanks at the end: `a.exe. ` is stored as `a.exe`. */
function withoutTrailing(name: string): string {
  let end = name.length;
  while (end > 0 && (name[end - 1] === "." || name[end - 1]?.trim() === "")) end--;
  return name.slice(0, end);
}
