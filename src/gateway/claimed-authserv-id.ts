import { decodeWords } from "../mail/encoded-words.ts";
import { unfold } from "../mail/header-block.ts";

/**
 * True when an inbound Authentication-Results or Received-SPF bears our name in any way that some
 * reader may take for it (RFC 8601 5; threats.md A3). Received-SPF has no fixed place for the
 * receiver, so the name anywhere counts.
 */
export function claimsAuthservId(field: string, rawValue: string, authservId: string): boolean {
  const ours = authservId.toLowerCase();
  const value = asRead(rawValue);
  const closed = withoutComments(value);
  // What does not end is no value to some, and to others the text that it holds.
  if (field === "received-spf" || closed === null)
    return value.replace(/[ \t]/g, "").includes(ours);
  return readings(closed).some((reading) => nameOf(reading) === ours);
}

/** Decoded, compatible letters as plain ones, lower case, without what nobody sees. */
function asRead(rawValue: string): string {
  return decodeWords(unfold(rawValue))
    .normalize("NFKC")
    .replaceAll("\u3002", ".")
    .replace(/[^\t\x20-\x7e]/g, "")
    .toLowerCase();
}

/**
 * The first word or quoted string, as RFC 8601 2.2 has it; and the text without blanks and quotes
 * altogether, for readers that look for the name only after they have dropped these.
 */
function readings(text: string): readonly string[] {
  const first = text.replaceAll("\0", " ").trimStart();
  const strict = first.startsWith('"') ? unquoted(first) : (first.split(/[ \t;]/, 1)[0] ?? "");
  return [strict, text.replace(/[\0 \t"\\]/g, "")];
}

function unquoted(text: string): string {
  const [, inner = ""] = /^"((?:[^"\\]|\\.)*)/.exec(text) ?? [];
  return inner.replace(/\\(.)/g, "$1").trim();
}

/** More than any name of ours has; what is cut off can only be what follows it. */
const LONGEST_NAME = 512;

/** The host name at its beginning, without a final dot; a version or anything else may follow. */
function nameOf(text: string): string {
  const [name = ""] = /^[a-z0-9._-]*/.exec(text.slice(0, LONGEST_NAME)) ?? [];
  return name.replace(/\.+$/, "");
}

/** Comments nest (RFC 5322 3.2.2) and end a word: NUL stands for each. Null: one does not end. */
function withoutComments(value: string): string | null {
  let text = "";
  let depth = 0;
  let isQuoted = false;
  for (let at = 0; at < value.length; at++) {
    const char = value.charAt(at);
    const piece = char === "\\" ? value.slice(at, at + 2) : char;
    at += piece.length - 1;
    if (depth === 0 && char === '"') isQuoted = !isQuoted;
    if (!isQuoted && char === "(") {
      if (depth === 0) text += "\0";
      depth += 1;
    } else if (depth === 0) text += piece;
    else if (char === ")") depth -= 1;
  }
  return depth === 0 ? text : null;
}
