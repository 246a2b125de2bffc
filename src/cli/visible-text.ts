/**
 * Text of mail on its way to a terminal. A sender must not move the cursor, colour or reorder what
 * an operator reads, nor hide anything in it (threats.md W8).
 */

// Controls, line and paragraph separators, bidi, zero-width, the BOM, tags and half surrogates.
// Format characters (Cf) include soft hyphens and joiners: they are shown as well.
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\u115f\u1160\u3164\uffa0\ufffe\uffff]/gu;
const INVISIBLE_FOR_TEST = new RegExp(INVISIBLE.source, "u");

const SHORT: ReadonlyMap<string, string> = new Map([
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
]);

/** Everything that would not be seen is written as an escape: `\n`, `\x1b`, `\u{202e}`. */
export function toVisible(text: string): string {
  return text.replace(INVISIBLE, (c) => SHORT.get(c) ?? escapeOf(c.codePointAt(0) ?? 0));
}

export function isVisible(text: string): boolean {
  return !INVISIBLE_FOR_TEST.test(text);
}

function escapeOf(code: number): string {
  const hex = code.toString(16);
  return code < 0x100 ? `\\x${hex.padStart(2, "0")}` : `\\u{${hex}}`;
}

/** JSON for programs that is safe in a terminal too: whatever is invisible is a JSON escape. */
export function toJsonLine(value: unknown): string {
  const text = JSON.stringify(value) ?? "null";
  return text.replace(INVISIBLE, (c) =>
    [...Array(c.length).keys()]
      .map((i) => `\\u${c.charCodeAt(i).toString(16).padStart(4, "0")}`)
      .join(""),
  );
}

const SEGMENTER_LOCALE = "en";
// Terminals draw these over two columns (Unicode Standard Annex 11, W and F).
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;
const COMBINING = /^[\p{Mn}\p{Me}]+$/u;

/** Columns of a terminal. */
export function displayWidth(text: string): number {
  // ASCII, the ordinary case, needs no segmenting.
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  return graphemes(text).reduce((sum, part) => sum + graphemeWidth(part), 0);
}

function graphemes(text: string): readonly string[] {
  const segmenter = new Intl.Segmenter(SEGMENTER_LOCALE, { granularity: "grapheme" });
  return Array.from(segmenter.segment(text), ({ segment }) => segment);
}

function graphemeWidth(grapheme: string): number {
  if (COMBINING.test(grapheme)) return 0;
  return WIDE.test(grapheme) ? 2 : 1;
}

/** At most so many columns; what was cut shows as `…`. */
export function clip(text: string, columns: number): string {
  // A grapheme has at least one octet: what lies far behind the cut need not be looked at.
  const near = text.slice(0, columns * MAX_UNITS_PER_COLUMN);
  if (near.length === text.length && displayWidth(text) <= columns) return text;
  let kept = "";
  let width = 0;
  for (const grapheme of graphemes(near)) {
    width += graphemeWidth(grapheme);
    if (width > columns - 1) break;
    kept += grapheme;
  }
  return `${kept}…`;
}

const MAX_UNITS_PER_COLUMN = 16;
