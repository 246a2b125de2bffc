/**
 * The position behind the bracket that closes the comment which begins at `start`; null when none
 * does. Comments nest, however deep (RFC 5322 3.2.2): counted, not called.
 */
export function endOfComment(text: string, start: number): number | null {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const char = text[at];
    if (char === "\\") at += 1;
    else if (char === "(") depth += 1;
    else if (char === ")" && --depth === 0) return at + 1;
  }
  return null;
}
