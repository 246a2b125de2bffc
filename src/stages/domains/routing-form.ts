import type { Address } from "../../mail/address.ts";

/** What some server reads as a route inside a local part: `a%b`, `b!a`, `"a@b"`, `@x:a`. */
const ROUTING = /[@%!:]/;

/**
 * True when a server behind us might take the address for one to pass on elsewhere, so that we would
 * relay through it (RFC 5321 appendix C, threats.md P5). A local part counts as it is written and as
 * it reads without quotes and Unicode variants.
 */
export function isRoutingForm({ spoken, localPart, domain }: Address): boolean {
  if (domain === "") return localPart.toLowerCase() !== "postmaster" || spoken !== localPart;
  if (ROUTING.test(localPart) || ROUTING.test(localPart.normalize("NFKC"))) return true;
  return !spoken.startsWith(`${localPart}@`) || !isPlainDomain(spoken.slice(localPart.length + 1));
}

/** One domain and nothing else: no second @, no route, no literal, no dot at the end. */
function isPlainDomain(spoken: string): boolean {
  return /^[^\x00-\x20@%!:,;<>[\]()"\\]+$/.test(spoken) && !spoken.endsWith(".");
}
