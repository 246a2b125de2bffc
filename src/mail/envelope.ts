import type { Address } from "./address.ts";

/** The sender and the recipients as spoken. `sender` null is the null reverse-path `<>`. */
export interface Envelope {
  readonly sender: Address | null;
  readonly recipients: readonly EnvelopeRecipient[];
  readonly mail: MailParameters;
  /** The sender as spoken to us, where `sender` is one of our making: bounces of ours go there. */
  readonly origin?: Address;
}

/** Whom a bounce of ours is for; null: nobody. */
export function returnAddress({ sender, origin }: Envelope): Address | null {
  return origin ?? sender;
}

/** What MAIL FROM said beside the address. Absent means not said. */
export interface MailParameters {
  readonly body: "7bit" | "8bitmime";
  readonly smtputf8: boolean;
  /** SIZE= in octets (RFC 1870). */
  readonly size?: number;
  /** RFC 3461: RET= and ENVID= (xtext as sent). */
  readonly ret?: "FULL" | "HDRS";
  readonly envid?: string;
}

export interface EnvelopeRecipient {
  readonly address: Address;
  /** RFC 3461: NOTIFY= and ORCPT= as sent. */
  readonly notify?: readonly ("NEVER" | "SUCCESS" | "FAILURE" | "DELAY")[];
  readonly orcpt?: string;
  /** The recipient as spoken to us, where `address` was put in his place. */
  readonly origin?: Address;
}

/** The recipient as the sender knows him. */
export function spokenRecipient({ address, origin }: EnvelopeRecipient): Address {
  return origin ?? address;
}
