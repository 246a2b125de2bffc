import type { Address } from "../../mail/address.ts";
import { parseDomainName } from "../../mail/domain-name.ts";
import { parseMailto } from "../../mail/mailto.ts";
import { fieldsOf } from "./txt-fields.ts";

/** Where a domain wants its reports (RFC 8460 3). */
export type ReportTarget =
  | { readonly kind: "mail"; readonly to: Address }
  | { readonly kind: "post"; readonly url: URL };

/** Each costs a message or a request of ours. */
const MAX_TARGETS = 5;
const MAX_URI_CHARS = 2000;
const VERSION = /^v=TLSRPTv1[ \t]*(?:;|$)/;

/**
 * Of all TXT records at `_smtp._tls.<domain>`. Empty without exactly one that is ours (RFC 8460 3),
 * and for targets that are none we can use.
 */
export function parseReportRecord(texts: readonly string[]): readonly ReportTarget[] {
  const own = texts.filter((text) => VERSION.test(text));
  const [text] = own;
  if (text === undefined || own.length > 1) return [];
  const rua = fieldsOf(text)?.find((field) => field.startsWith("rua="));
  if (rua === undefined) return [];
  const uris = rua.slice("rua=".length).split(",").slice(0, MAX_TARGETS);
  return uris.flatMap((uri) => toTarget(uri.trim()) ?? []);
}

function toTarget(uri: string): ReportTarget | null {
  if (uri.length > MAX_URI_CHARS || !/^[\x21-\x7e]+$/.test(uri)) return null;
  if (/^mailto:/i.test(uri)) {
    const to = parseMailto(uri);
    return to && { kind: "mail", to };
  }
  const url = URL.parse(uri);
  if (url?.protocol !== "https:" || url.username !== "" || url.password !== "") return null;
  return isHostName(url.hostname) ? { kind: "post", url } : null;
}

/** Not an address, for which nobody has a certificate. */
function isHostName(text: string): boolean {
  return parseDomainName(text, { utf8: false })?.includes(".") === true && !/^[\d.]+$/.test(text);
}
