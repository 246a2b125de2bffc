/**
 * A message may come by again when the hub forwards it to somebody who forwards it back; whoever has
 * been here more often than this goes round in circles (threats.md P10), long before 50 hops.
 */
export const MAX_OWN_PASSES = 3;

/** How many of the Received fields were written by a listener of ours, however folded. */
export function countOwnPasses(received: readonly string[], ownNames: readonly string[]): number {
  const names = new Set(ownNames.map((name) => name.toLowerCase()));
  return received.filter((value) => names.has(writerOf(value))).length;
}

/** The name after `by`; one in a comment or in what `from` says of itself is somebody else's word. */
function writerOf(value: string): string {
  const words = withoutComments(value).split(/\s+/);
  const by = words.findIndex((word) => word.toLowerCase() === "by");
  return by < 0 ? "" : (words[by + 1] ?? "").toLowerCase().replace(/\.?(?:;.*)?$/, "");
}

/** RFC 5322 3.2.2: comments nest. One pass, whatever the number of brackets. */
function withoutComments(value: string): string {
  let depth = 0;
  let text = "";
  for (const char of value) {
    if (char === "(") depth += 1;
    if (depth === 0) text += char;
    if (char === ")" && depth > 0) {
      depth -= 1;
      text += " ";
    }
  }
  return text;
}
