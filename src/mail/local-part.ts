/** What a local part says without its quotes: `"a.b"` and `a.b` are one mailbox (RFC 5321 4.1.2). */
function bareLocalPart(localPart: string): string {
  if (!localPart.startsWith('"')) return localPart;
  return localPart.slice(1, -1).replace(/\\(.)/gs, "$1");
}

/** For comparison: case and quoting make no other mailbox. */
export function mailboxKey(localPart: string): string {
  return bareLocalPart(localPart).normalize("NFC").toLowerCase();
}

/** RFC 5321 4.5.1 and RFC 2142: those who report trouble to us must reach us, tag or not. */
export function isAlwaysReachable(localPart: string): boolean {
  return /^(?:postmaster|abuse)$/i.test(localPart);
}
