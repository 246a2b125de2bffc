import { parseRecipientEntry, type RecipientEntry } from "../recipient-key.ts";

/** A value of a directory that may be an address, and where it stands, for messages. */
export interface DirectoryValue {
  readonly text: string;
  readonly where: string;
}

export type AddressReading =
  | { readonly kind: "entry"; readonly entry: RecipientEntry }
  /** Of another kind of mail system, or no address at all: x500:, SIP:, a name. */
  | { readonly kind: "other" }
  /** It should have been one. */
  | { readonly kind: "malformed" };

/**
 * An address as directories write it. Active Directory puts the kind before it: `SMTP:` is the first
 * address of a mailbox and `smtp:` each other.
 */
export function readAddressValue(text: string): AddressReading {
  const [, prefix, rest = text.trim()] = /^\s*([a-z][a-z0-9.-]*):(.*?)\s*$/is.exec(text) ?? [];
  if (prefix !== undefined && prefix.toLowerCase() !== "smtp") return { kind: "other" };
  if (!rest.includes("@")) return { kind: "other" };
  const entry = parseRecipientEntry(rest);
  return entry ? { kind: "entry", entry } : { kind: "malformed" };
}
