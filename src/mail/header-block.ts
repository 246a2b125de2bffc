/** One header field as it came. Octets are kept one char each (latin1). */
export interface HeaderField {
  /** As written, without the colon. */
  readonly name: string;
  /** Everything after the colon, with folds, without the final CRLF. */
  readonly rawValue: string;
  /** Position of the field in the message: first octet, and the octet after its final CRLF. */
  readonly start: number;
  readonly end: number;
}

/**
 * The header section of a message, in order. Names compare without case. Never an object keyed by
 * what a sender wrote: `__proto__` is a name like any other.
 */
export interface HeaderBlock {
  readonly fields: readonly HeaderField[];
  /** All fields of that name, in order. */
  all(name: string): readonly HeaderField[];
  /** The unfolded, trimmed value of the first field of that name, else null. */
  first(name: string): string | null;
}
