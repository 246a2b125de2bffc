import { parseAddressLiteral } from "../mail/address-literal.ts";
import { parseDomainName } from "../mail/domain-name.ts";

/**
 * True when HELO or EHLO names a domain or an address literal (RFC 5321 4.1.1.1). Whether the name
 * is true is for the stages to judge. U-labels have no place here (RFC 6531 3.7.1).
 */
export function isHeloName(text: string): boolean {
  return parseDomainName(text, { utf8: false }) !== null || parseAddressLiteral(text) !== null;
}
