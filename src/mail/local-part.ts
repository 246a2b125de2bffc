/** What a local part says without its quotes: `"a.b"` and `a.b` are one mailbox (RFC 5321 4.1.2). */
function bareLocalPart(localPart: string): string {
  if (!localPart.startsWith('"')) return localPart;
  return localPart.slice(1, -1).replace(/\\(.)/gs, "$1");
}

/** For comparison: case and quoting make no other mailbox. */
export function mailboxKey(localPart: string): string {
  return bareLocalPart(localPart).normalize("NFC").toLowerCase();
}

/**
 * Of a form for comparison, what stands before its tag: from the first separator on, as Postfix and
 * Exim cut. A name is never empty.
 */
export function withoutTag(key: string, separator: string): string | null {
  const at = key.indexOf(separator);
  return at > 0 ? key.slice(0, at) : null;
}

/** Another name with the tag of `tagged`, quoted where that was. */
export function withTagOf(tagged: string, separator: string, name: string): string {
  const bare = bareLocalPart(tagged);
  const local = name + bare.slice(bare.indexOf(separator));
  return tagged.startsWith('"') ? `"${local.replace(/["\\]/g, "\\$&")}"` : local;
}

/** RFC 5321 4.5.1 and RFC 2142: those who report trouble to us must reach us, tag or not. */
export function isAlwaysReachable(localPart: string): boolean {
  return /^(?:postmaster|abuse)$/.test(mailboxKey(localPart));
}
