import { endOfComment } from "./comment.ts";

/** A piece of a Received field. A comment has its text without the outer brackets. */
export interface ReceivedToken {
  readonly kind: "word" | "comment" | "semicolon";
  readonly text: string;
}

/** RFC 5322 2.1.1 and some hundred recipients in `for`; a hop that says more is no hop. */
const MAX_OCTETS = 4000;

/**
 * Words, comments and semicolons; what stands in quotes or angle brackets belongs to its word. Null
 * when something opens and does not close, or closes what was not open: then nobody can say which
 * words are whose. One pass.
 */
export function receivedTokens(rawValue: string): readonly ReceivedToken[] | null {
  if (rawValue.length > MAX_OCTETS) return null;
  // Folds go, and no octet that a server does not write may remain.
  const text = rawValue.replace(/\r?\n(?=[ \t])/g, "").replaceAll("\t", " ");
  if (/[^\x20-\x7e]/.test(text)) return null;
  const tokens: ReceivedToken[] = [];
  let at = 0;
  while (at < text.length) {
    const char = text[at] ?? "";
    if (char === " ") {
      at += 1;
    } else if (char === ";") {
      tokens.push({ kind: "semicolon", text: ";" });
      at += 1;
    } else {
      const end = char === "(" ? endOfComment(text, at) : endOfWord(text, at);
      if (end === null) return null;
      const kind = char === "(" ? "comment" : "word";
      const own = kind === "comment" ? text.slice(at + 1, end - 1).trim() : text.slice(at, end);
      tokens.push({ kind, text: own });
      at = end;
    }
  }
  return tokens;
}

/** Up to a blank, a comment or a semicolon outside of quotes and angle brackets. */
function endOfWord(text: string, start: number): number | null {
  let quoted = false;
  let angled = false;
  let at = start;
  for (; at < text.length; at++) {
    const char = text[at] ?? "";
    if (quoted && char === "\\") at += 1;
    else if (char === '"') quoted = !quoted;
    else if (quoted) continue;
    else if (char === ")") return null;
    else if (char === "<") angled = true;
    else if (char === ">") angled = false;
    else if (!angled && (char === " " || char === ";" || char === "(")) break;
  }
  return quoted || angled ? null : at;
}
