import { parseAddressLiteral } from "./address-literal.ts";
import { MAX_DOMAIN_OCTETS, parseDomainName } from "./domain-name.ts";

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

/** Why a text is no address that we relay. */
export type AddressFault = "syntax" | "too-long" | "needs-smtputf8";

export type AddressResult =
  | { readonly kind: "address"; readonly address: Address }
  | { readonly kind: "refused"; readonly fault: AddressFault };

/** `null` is the null reverse-path `<>`. */
export type ReversePathResult = AddressResult | { readonly kind: "null" };

export interface AddressOptions {
  /** The transaction asked for SMTPUTF8 (RFC 6531): octets above 127 are UTF-8. */
  readonly smtpUtf8: boolean;
}

/** RFC 5321 4.5.3.1.1. */
const MAX_LOCAL_PART_OCTETS = 64;
/** RFC 5321 4.5.3.1.3, angle brackets included. */
const MAX_PATH_OCTETS = 256;

const UTF8 = "\\u0080-\\u{10ffff}";
const ATEXT = `[A-Za-z0-9!#$%&'*+\\-/=?^_\`{|}~${UTF8}]`;
const DOT_STRING = new RegExp(`^${ATEXT}+(?:\\.${ATEXT}+)*$`, "u");
const QUOTED_STRING = new RegExp(`^"(?:[ !#-\\[\\]-~${UTF8}]|\\\\[ -~])*"$`, "u");
// C1 controls, line separators, invisible and bidi characters, what Unicode has not assigned:
// nobody's mailbox, and each makes one address look like another, or like two lines.
const NEVER = /[\u0080-\u009f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\p{Cs}\p{Cn}]/u;

/**
 * The argument of MAIL FROM with its angle brackets. Source routes are refused, not stripped: an
 * address that two servers read differently is how relays are fooled (threats.md A4, P5). `%` and
 * `!` are letters like any other and are never interpreted.
 */
export function parseReversePath(text: string, options: AddressOptions): ReversePathResult {
  if (text === "<>") return { kind: "null" };
  const mailbox = betweenBrackets(text);
  return mailbox === null ? refused("syntax") : parseAddress(mailbox, options);
}

/** The argument of RCPT TO with its angle brackets. `<postmaster>` needs no domain, in any case. */
export function parseForwardPath(text: string, options: AddressOptions): AddressResult {
  const mailbox = betweenBrackets(text);
  if (mailbox === null) return refused("syntax");
  if (/^postmaster$/i.test(mailbox)) return accepted(mailbox, mailbox, "");
  return parseAddress(mailbox, options);
}

/** A mailbox that an operator wrote, without brackets; UTF-8 is understood. */
export function parseMailbox(text: string): Address | null {
  const result = parseAddress(text, { smtpUtf8: true });
  return result.kind === "address" ? result.address : null;
}

function parseAddress(mailbox: string, options: AddressOptions): AddressResult {
  if (octets(mailbox) + 2 > MAX_PATH_OCTETS) return refused("too-long");
  // The last one: a domain has none, while a quoted local part may.
  const at = mailbox.lastIndexOf("@");
  if (at < 0) return refused("syntax");
  const localPart = mailbox.slice(0, at);
  const spokenDomain = mailbox.slice(at + 1);
  if (!isLocalPart(localPart)) return refused("syntax");
  const domain = spokenDomain.startsWith("[")
    ? parseAddressLiteral(spokenDomain)
    : parseDomainName(spokenDomain, { utf8: true });
  if (octets(localPart) > MAX_LOCAL_PART_OCTETS) return refused("too-long");
  if (octets(spokenDomain) > MAX_DOMAIN_OCTETS) return refused("too-long");
  if (domain === null) return refused("syntax");
  if (!options.smtpUtf8 && /[^\x00-\x7f]/.test(mailbox)) return refused("needs-smtputf8");
  return accepted(mailbox, localPart, domain);
}

function isLocalPart(text: string): boolean {
  if (!DOT_STRING.test(text) && !QUOTED_STRING.test(text)) return false;
  if (NEVER.test(text)) return false;
  return !hasAsciiLookalike(text);
}

/**
 * A fullwidth @ or quote becomes an ASCII one in a server that normalises (NFKC), and the address
 * another one.
 */
function hasAsciiLookalike(text: string): boolean {
  for (const char of text) {
    if (char > "\x7f" && /[\x00-\x7f]/.test(char.normalize("NFKC"))) return true;
  }
  return false;
}

function betweenBrackets(text: string): string | null {
  return text.startsWith("<") && text.endsWith(">") && text.length > 2 ? text.slice(1, -1) : null;
}

function accepted(spoken: string, localPart: string, domain: string): AddressResult {
  return { kind: "address", address: { spoken, localPart, domain } };
}

function refused(fault: AddressFault): AddressResult {
  return { kind: "refused", fault };
}

function octets(text: string): number {
  return Buffer.byteLength(text);
}
