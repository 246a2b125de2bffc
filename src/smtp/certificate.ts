import { createPrivateKey, X509Certificate } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createSecureContext } from "node:tls";
import { generate } from "selfsigned";
import { errorText } from "../base/errors.ts";
import { replaceFile } from "../base/replace-file.ts";

export interface Certificate {
  /** PEM: the certificate, then its chain. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
  /** Nobody but us vouches for it: to be reported until it is replaced. */
  readonly selfSigned: boolean;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

const VALID_DAYS = 825;
const DAY_MS = 86_400_000;
/** A new one is made this long before the old one ends. */
const RENEW_BEFORE_MS = 30 * DAY_MS;

/** Reads what the operator gave. Throws with the reason when it cannot serve. */
export async function loadCertificate(files: CertificateFiles): Promise<Certificate> {
  const [cert, key] = await Promise.all([
    readFile(files.cert, "utf8"),
    readFile(files.key, "utf8"),
  ]);
  try {
    return { ...toCertificate(cert, key), selfSigned: isSelfSigned(cert) };
  } catch (error) {
    throw new Error(`${files.cert}, ${files.key}: ${errorText(error)}`, { cause: error });
  }
}

/**
 * The self-signed certificate for a host name: the one kept in `<dataDir>/tls/`, so that senders who
 * pin it see the same one after a restart, else a new one.
 */
export async function ownCertificate(
  hostname: string,
  dataDir: string,
  now: number,
): Promise<Certificate> {
  const files = ownCertificateFiles(hostname, dataDir);
  const kept = await loadCertificate(files).catch(() => null);
  if (kept && kept.expiresAt - now > RENEW_BEFORE_MS && isFor(kept, hostname)) return kept;
  const made = await makeCertificate(hostname, now);
  await mkdir(dirname(files.key), { recursive: true, mode: 0o700 });
  // A crash between the two leaves a pair that does not match, and is made again.
  await replaceFile(files.key, 0o600, [made.key]);
  await replaceFile(files.cert, 0o600, [made.cert]);
  return made;
}

/** Where the self-signed certificate for a host name is kept. */
export function ownCertificateFiles(hostname: string, dataDir: string): CertificateFiles {
  const name = hostname.toLowerCase().replace(/[^a-z0-9.-]/g, "_");
  const path = join(dataDir, "tls", name);
  return { cert: `${path}.cert.pem`, key: `${path}.key.pem` };
}

/** A new self-signed certificate, kept nowhere. */
export async function makeCertificate(hostname: string, now: number): Promise<Certificate> {
  const made = await generate([{ name: "commonName", value: hostname }], {
    keyType: "ec",
    algorithm: "sha256",
    notBeforeDate: new Date(now - DAY_MS),
    notAfterDate: new Date(now + VALID_DAYS * DAY_MS),
    extensions: [
      { name: "basicConstraints", cA: false },
      { name: "subjectAltName", altNames: [{ type: 2, value: hostname }] },
    ],
  });
  return { ...toCertificate(made.cert, made.private), selfSigned: true };
}

/** Throws with the reason when the two cannot serve together. */
export function toCertificate(cert: string, key: string): Omit<Certificate, "selfSigned"> {
  const leaf = new X509Certificate(cert);
  if (!leaf.checkPrivateKey(createPrivateKey(key))) throw new Error("the key is another one's");
  createSecureContext({ cert, key });
  return { cert, key, expiresAt: Date.parse(leaf.validTo) };
}

function isSelfSigned(cert: string): boolean {
  const leaf = new X509Certificate(cert);
  return leaf.subject === leaf.issuer && leaf.verify(leaf.publicKey);
}

function isFor(certificate: Certificate, hostname: string): boolean {
  return new X509Certificate(certificate.cert).checkHost(hostname) !== undefined;
}
