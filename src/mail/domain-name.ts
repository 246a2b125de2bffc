import { domainToASCII, domainToUnicode } from "node:url";

/** RFC 5321 4.5.3.1.2. */
export const MAX_DOMAIN_OCTETS = 255;
/** RFC 1035 2.3.4. */
const MAX_LABEL_OCTETS = 63;

// Let-dig [Ldh-str] of RFC 5321 4.1.2. The underscore is no letter there, but hosts with one do
// send mail, and it is harmless to every parser.
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$/;

/**
 * A domain for comparison: lower-case A-labels, or null when the text is no domain. U-labels
 * (RFC 5890) are read only when `utf8` is given.
 */
export function parseDomainName(text: string, options: { readonly utf8: boolean }): string | null {
  if (Buffer.byteLength(text) > MAX_DOMAIN_OCTETS) return null;
  const lower = text.toLowerCase();
  const ascii = isAscii(text) ? lower : options.utf8 ? toALabels(lower) : null;
  if (ascii === null || ascii.length > MAX_DOMAIN_OCTETS) return null;
  return ascii.split(".").every(isLabel) ? ascii : null;
}

/** RFC 5321 2.3.5: the name that a server calls itself by is fully qualified, and no address. */
export function parseFullName(text: string): string | null {
  const name = parseDomainName(text, { utf8: true });
  return name?.includes(".") && !/^[\d.]+$/.test(name) ? name : null;
}

/** True for the domain itself and for what is below it. Both in canonical form. */
export function isWithin(name: string, domain: string): boolean {
  return name === domain || name.endsWith(`.${domain}`);
}

/**
 * A U-label must already be in the one form that its A-label decodes to. Fullwidth letters,
 * ideographic full stops and invisible characters map to another name, so that two readers of the
 * same address could see two domains: refused (threats.md P5).
 */
function toALabels(lower: string): string | null {
  const ascii = domainToASCII(lower);
  return ascii !== "" && domainToUnicode(ascii) === lower ? ascii : null;
}

function isLabel(label: string): boolean {
  if (label.length > MAX_LABEL_OCTETS || !LABEL.test(label)) return false;
  return !label.startsWith("xn--") || isALabel(label);
}

/** A made-up A-label such as `xn--example-` decodes to plain ASCII in a careless reader. */
function isALabel(label: string): boolean {
  const decoded = domainToUnicode(label);
  return !isAscii(decoded) && domainToASCII(decoded) === label;
}

function isAscii(text: string): boolean {
  return /^[\x00-\x7f]*$/.test(text);
}
