import { createHash, createPublicKey, X509Certificate } from "node:crypto";
import type { TlsaRecord } from "../net/resolver.ts";
import { DANE_EE, DANE_TA, formatTlsa } from "./dane-records.ts";

/** Whether a server is the one that its zone describes. */
export type DaneVerdict =
  | { readonly kind: "fits"; readonly record: string }
  | {
      readonly kind: "refused";
      readonly fault: "dane" | "certificate-expired" | "certificate-name" | "certificate-untrusted";
      readonly reason: string;
    };

export interface DaneDemand {
  /** Usable ones (dane-records.ts). */
  readonly records: readonly TlsaRecord[];
  /** A certificate below an authority of usage 2 must be for one of them (RFC 7672 3.2.3). */
  readonly names: readonly string[];
}

/**
 * RFC 7672 3. Usage 3 is about the key alone: names and dates say nothing (3.1.1). Usage 2 names an
 * authority: there must be a chain of signatures up to it, with valid dates, for the right name.
 * `chain`: as the server sent it, its own certificate first.
 */
export function judgeDaneChain(
  chain: readonly X509Certificate[],
  { records, names }: DaneDemand,
  now: number,
): DaneVerdict {
  const [own] = chain;
  if (!own) return refuse("dane", "it showed no certificate");
  const ofKey = records.find((record) => record.usage === DANE_EE && isMatch(record, own));
  if (ofKey) return { kind: "fits", record: formatTlsa(ofKey) };
  const ofAuthorities = records.filter(({ usage }) => usage === DANE_TA);
  if (ofAuthorities.length === 0)
    return refuse("dane", "the certificate matches none of the TLSA records");
  const found = findAnchor(chain, ofAuthorities, now);
  if ("reason" in found) return found;
  return judgeOwn(own, names, now) ?? { kind: "fits", record: formatTlsa(found) };
}

/** Null: all is well with the server's own certificate. */
function judgeOwn(own: X509Certificate, names: readonly string[], now: number): DaneVerdict | null {
  if (!isInTime(own, now)) return refuse("certificate-expired", datesOf(own));
  const purposes: readonly string[] | undefined = own.keyUsage;
  if (purposes && !purposes.some((purpose) => SERVER_PURPOSES.includes(purpose)))
    return refuse("certificate-untrusted", "the certificate is not made for servers");
  if (names.some((name) => own.checkHost(name, NAME_RULES) !== undefined)) return null;
  return refuse("certificate-name", `the certificate is for other names than ${names.join(", ")}`);
}

/** RFC 5280 4.2.1.12: id-kp-serverAuth, anyExtendedKeyUsage. */
const SERVER_PURPOSES: readonly string[] = ["1.3.6.1.5.5.7.3.1", "2.5.29.37.0"];
const NAME_RULES = { partialWildcards: false } as const;

/**
 * Walks from the server's own certificate up, each reached once, so that a hostile chain costs the
 * square of its length at most.
 */
function findAnchor(
  chain: readonly X509Certificate[],
  records: readonly TlsaRecord[],
  now: number,
): TlsaRecord | (DaneVerdict & { readonly kind: "refused" }) {
  // RFC 7671 5.2.2: an authority that the zone holds whole need not be sent.
  const known = [...chain, ...records.flatMap((record) => wholeCertificate(record) ?? [])];
  const reached = chain.slice(0, 1);
  let fault = refuse("dane", "no chain leads to an authority of the TLSA records");
  for (let at = 0; at < reached.length; at++) {
    const lower = reached[at];
    if (!lower) break;
    const anchor = records.find((record) => isMatch(record, lower) || hasSigned(record, lower));
    if (anchor) return anchor;
    for (const upper of known) {
      if (reached.includes(upper) || !isIssuer(upper, lower)) continue;
      const flaw = flawOf(upper, now);
      if (flaw) fault = flaw;
      else reached.push(upper);
    }
  }
  return fault;
}

function isIssuer(upper: X509Certificate, lower: X509Certificate): boolean {
  return lower.checkIssued(upper) && verifies(lower, upper.publicKey);
}

/** Of a key that a mail server chose: OpenSSL throws for some. */
function verifies(lower: X509Certificate, key: X509Certificate["publicKey"]): boolean {
  try {
    return lower.verify(key);
  } catch {
    return false;
  }
}

function flawOf(
  authority: X509Certificate,
  now: number,
): (DaneVerdict & { readonly kind: "refused" }) | null {
  if (!authority.ca) return refuse("certificate-untrusted", "one that is no authority signed it");
  if (!isInTime(authority, now))
    return refuse("certificate-expired", `of an authority: ${datesOf(authority)}`);
  // Not evaluated here, and a constraint must not be overlooked.
  if (authority.raw.includes(NAME_CONSTRAINTS))
    return refuse("certificate-untrusted", "an authority of the chain has name constraints");
  return null;
}

/** RFC 5280 4.2.1.10: the object identifier 2.5.29.30 in DER. */
const NAME_CONSTRAINTS = Buffer.from([0x06, 0x03, 0x55, 0x1d, 0x1e]);

function isInTime(certificate: X509Certificate, now: number): boolean {
  return Date.parse(certificate.validFrom) <= now && now <= Date.parse(certificate.validTo);
}

function datesOf({ validFrom, validTo }: X509Certificate): string {
  return `the certificate is valid from ${validFrom} to ${validTo}`;
}

/** RFC 6698 2.1.2 and 2.1.3. */
function isMatch({ selector, matchingType, data }: TlsaRecord, shown: X509Certificate): boolean {
  const octets = selector === 0 ? shown.raw : spkiOf(shown);
  if (octets === null) return false;
  if (matchingType === 0) return octets.toString("hex") === data;
  const algorithm = matchingType === 1 ? "sha256" : "sha512";
  return createHash(algorithm).update(octets).digest("hex") === data;
}

function spkiOf(shown: X509Certificate): Buffer | null {
  try {
    return shown.publicKey.export({ type: "spki", format: "der" });
  } catch {
    return null;
  }
}

/** A bare key in the zone may have signed although no certificate of it is there. */
function hasSigned({ selector, matchingType, data }: TlsaRecord, lower: X509Certificate): boolean {
  if (selector !== 1 || matchingType !== 0) return false;
  try {
    const key = Buffer.from(data, "hex");
    return lower.verify(createPublicKey({ key, format: "der", type: "spki" }));
  } catch {
    return false;
  }
}

function wholeCertificate({ selector, matchingType, data }: TlsaRecord): X509Certificate | null {
  if (selector !== 0 || matchingType !== 0) return null;
  try {
    return new X509Certificate(Buffer.from(data, "hex"));
  } catch {
    return null;
  }
}

function refuse(
  fault: (DaneVerdict & { readonly kind: "refused" })["fault"],
  reason: string,
): DaneVerdict & { readonly kind: "refused" } {
  return { kind: "refused", fault, reason };
}
