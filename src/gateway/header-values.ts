/** For a comment or a quoted string: no controls, nothing that opens or ends a comment. */
export function toPrintable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?").replace(/[()]/g, "?");
}

/** Of printable text (RFC 5322 3.2.4). */
export function toQuotedString(text: string): string {
  return `"${text.replace(/[\\"]/g, "\\$&")}"`;
}
