/**
 * An address as spoken in MAIL FROM or RCPT TO (RFC 5321 4.1.2).
 * `spoken` is relayed identically, octet for octet; the other fields are for look-ups only.
 */
export interface Address {
  /** What stood between the angle brackets, unchanged. */
  readonly spoken: string;
  /** The local part as spoken, quotes included. */
  readonly localPart: string;
  /**
   * For comparison: lower-case A-labels, or an address literal in brackets. Empty only for the bare
   * `<postmaster>` of RFC 5321 4.5.1.
   */
  readonly domain: string;
}
