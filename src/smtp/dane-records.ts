import { createPublicKey, X509Certificate } from "node:crypto";
import type { TlsaRecord } from "../net/resolver.ts";

/** RFC 6698 2.1, RFC 7218. */
export const DANE_TA = 2;
export const DANE_EE = 3;
const WHOLE_CERTIFICATE = 0;
const PUBLIC_KEY = 1;
const EXACT = 0;
const SHA_256 = 1;
const SHA_512 = 2;

/** Each is compared with every certificate of the chain; a zone has a handful. */
const MAX_RECORDS = 64;

/**
 * The records that an SMTP client can use, in order (RFC 7672 3.1): usages 0 and 1 speak of public
 * authorities that no SMTP client has to know, and what cannot be read is as if it were not there.
 * Of several digests of one thing only the strongest counts (RFC 7671 9). Empty for a set that is
 * unusable as a whole.
 */
export function toUsableRecords(records: readonly TlsaRecord[]): readonly TlsaRecord[] {
  const usable = records.filter(isUsable).slice(0, MAX_RECORDS);
  const hasStronger = (weak: TlsaRecord) =>
    weak.matchingType === SHA_256 &&
    usable.some(
      (other) =>
        other.matchingType === SHA_512 &&
        other.usage === weak.usage &&
        other.selector === weak.selector,
    );
  return usable.filter((record) => !hasStronger(record));
}

/** `3 1 1 0b9fa5…`, as in a zone file (RFC 6698 2.2). */
export function formatTlsa({ usage, selector, matchingType, data }: TlsaRecord): string {
  return `${usage} ${selector} ${matchingType} ${data}`;
}

function isUsable({ usage, selector, matchingType, data }: TlsaRecord): boolean {
  if (usage !== DANE_TA && usage !== DANE_EE) return false;
  if (selector !== WHOLE_CERTIFICATE && selector !== PUBLIC_KEY) return false;
  if (matchingType === EXACT) return isReadable(selector, data);
  return data.length === DIGEST_CHARS[matchingType];
}

/** Hex digits of a digest. */
const DIGEST_CHARS: Readonly<Record<number, number>> = { [SHA_256]: 64, [SHA_512]: 128 };

function isReadable(selector: number, hex: string): boolean {
  const der = Buffer.from(hex, "hex");
  try {
    if (selector === WHOLE_CERTIFICATE) new X509Certificate(der);
    else createPublicKey({ key: der, format: "der", type: "spki" });
    return true;
  } catch {
    return false;
  }
}
