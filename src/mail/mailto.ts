import { type Address, parseMailbox } from "./address.ts";

/**
 * The address of a `mailto:` URI that a domain has published; null for anything that is no plain
 * ASCII address with a domain name. What may follow the address would be headers of a stranger's
 * choice, and is left out. A comma, a semicolon and an exclamation mark are percent-encoded in it
 * (RFC 8460 3, RFC 9989 4.7).
 */
export function parseMailto(uri: string): Address | null {
  if (!/^mailto:[\x21-\x7e]+$/i.test(uri)) return null;
  const to = parseMailbox(decoded(uri.slice("mailto:".length).replace(/\?.*$/, "")));
  if (to === null || to.domain === "" || to.domain.startsWith("[")) return null;
  return /^[\x21-\x7e]+$/.test(to.spoken) ? to : null;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}
