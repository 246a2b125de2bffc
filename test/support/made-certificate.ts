import { createHash, X509Certificate } from "node:crypto";
import { generate } from "selfsigned";
import type { TlsaRecord } from "../../src/net/resolver.ts";

/** A certificate made in this process, for tests that need no openssl. */
export interface MadeCertificate {
  readonly cert: string;
  readonly key: string;
  readonly x509: X509Certificate;
}

export interface MadeOptions {
  /** Signs it; absent: it signs itself. */
  readonly by?: MadeCertificate;
  readonly isAuthority?: boolean;
  readonly names?: readonly string[];
  readonly from?: Date;
  readonly to?: Date;
  readonly purpose?: "serverAuth" | "clientAuth";
}

/** Valid from before now: a second's fraction that is cut off must not make it of the future. */
const HOUR_MS = 3_600_000;

export async function makeCertificate(
  name: string,
  options: MadeOptions = {},
): Promise<MadeCertificate> {
  const { by, isAuthority = false, names = [name], to, purpose } = options;
  const { from = new Date(Date.now() - HOUR_MS) } = options;
  const made = await generate([{ name: "commonName", value: name }], {
    keyType: "ec",
    algorithm: "sha256",
    notBeforeDate: from,
    ...(to && { notAfterDate: to }),
    ...(by && { ca: { cert: by.cert, key: by.key } }),
    extensions: [
      { name: "basicConstraints", cA: isAuthority, critical: true },
      ...(isAuthority
        ? [{ name: "keyUsage" as const, keyCertSign: true, cRLSign: true }]
        : [
            {
              name: "subjectAltName" as const,
              altNames: names.map((value) => ({ type: 2 as const, value })),
            },
          ]),
      ...(purpose ? [{ name: "extKeyUsage" as const, [purpose]: true }] : []),
    ],
  });
  return { cert: made.cert, key: made.private, x509: new X509Certificate(made.cert) };
}

/** The TLSA record that describes a certificate (RFC 6698 2.1). */
export function toTlsa(
  { x509 }: Pick<MadeCertificate, "x509">,
  usage: number,
  selector: 0 | 1,
  matchingType: 0 | 1 | 2,
): TlsaRecord {
  const octets = selector === 0 ? x509.raw : x509.publicKey.export({ type: "spki", format: "der" });
  const digest = matchingType === 1 ? "sha256" : "sha512";
  const data =
    matchingType === 0 ? octets.toString("hex") : createHash(digest).update(octets).digest("hex");
  return { usage, selector, matchingType, data };
}
