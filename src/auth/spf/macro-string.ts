/** A macro-string of RFC 7208 7.1, parsed once. */
export type MacroString = readonly MacroToken[];

export type MacroToken =
  | { readonly kind: "text"; readonly text: string }
  | {
      readonly kind: "macro";
      /** Lower case. */
      readonly letter: MacroLetter;
      /** An upper-case letter asks for URL escaping. */
      readonly escape: boolean;
      /** How many right-hand parts to use; 0: all. */
      readonly parts: number;
      readonly reverse: boolean;
      readonly delimiters: string;
    };

export type MacroLetter = "s" | "l" | "o" | "d" | "i" | "p" | "v" | "h" | "c" | "r" | "t";

/** RFC 7208 7.2: c, r and t are for explanations alone. */
const DOMAIN_LETTERS = "slodipvh";
const ALL_LETTERS = "slodipvhcrt";

const MACRO = /^([a-z])(\d*)(r?)([.\-+,/_=]*)$/i;
/** RFC 7208 7.1: begins and ends with a letter or digit, and is not a number. */
const TOPLABEL = /^(?=[0-9-]*[a-z-])[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/i;

/** A domain-spec; null for a syntax error, which is a permerror. */
export function parseDomainSpec(text: string): MacroString | null {
  const tokens = parse(text, DOMAIN_LETTERS, false);
  return tokens && hasDomainEnd(text, tokens) ? tokens : null;
}

/** The value of an unknown modifier. */
export function parseMacroString(text: string): MacroString | null {
  return parse(text, ALL_LETTERS, false);
}

/** An explain-string: a macro-string with blanks. */
export function parseExplainString(text: string): MacroString | null {
  return parse(text, ALL_LETTERS, true);
}

function parse(text: string, letters: string, blanks: boolean): MacroString | null {
  const tokens: MacroToken[] = [];
  let i = 0;
  while (i < text.length) {
    const percent = text.indexOf("%", i);
    const end = percent < 0 ? text.length : percent;
    if (end > i) {
      const literal = text.slice(i, end);
      if (!(blanks ? /^[\x20-\x7e]*$/ : /^[\x21-\x7e]*$/).test(literal)) return null;
      tokens.push({ kind: "text", text: literal });
    }
    if (percent < 0) break;
    const expand = parseExpand(text, percent, letters);
    if (!expand) return null;
    tokens.push(expand.token);
    i = expand.end;
  }
  return tokens;
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ["%", "%"],
  ["_", " "],
  ["-", "%20"],
]);

function parseExpand(
  text: string,
  at: number,
  letters: string,
): { readonly token: MacroToken; readonly end: number } | null {
  const fixed = ESCAPES.get(text.charAt(at + 1));
  if (fixed !== undefined) return { token: { kind: "text", text: fixed }, end: at + 2 };
  if (text.charAt(at + 1) !== "{") return null;
  const close = text.indexOf("}", at);
  const match = close < 0 ? null : MACRO.exec(text.slice(at + 2, close));
  if (!match) return null;
  const [, letter = "", digits = "", reverse = "", delimiters = ""] = match;
  const lower = letter.toLowerCase();
  if (!letters.includes(lower) || (digits !== "" && Number(digits) === 0)) return null;
  const token: MacroToken = {
    kind: "macro",
    letter: lower as MacroLetter,
    escape: letter !== lower,
    parts: digits === "" ? 0 : Number(digits),
    reverse: reverse !== "",
    delimiters: delimiters === "" ? "." : delimiters,
  };
  return { token, end: close + 1 };
}

/** RFC 7208 7.1: domain-end = ( "." toplabel [ "." ] ) / macro-expand */
function hasDomainEnd(text: string, tokens: MacroString): boolean {
  const last = tokens.at(-1);
  if (!last) return false;
  if (last.kind === "macro") return true;
  // Read in the source: `%%`, `%_` and `%-` are macro-expand too, and may end it.
  if (/%[%_-]$/.test(text)) return true;
  const tail = last.text.endsWith(".") ? last.text.slice(0, -1) : last.text;
  const dot = tail.lastIndexOf(".");
  return dot >= 0 && TOPLABEL.test(tail.slice(dot + 1));
}
