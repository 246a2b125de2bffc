import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import {
  type Certificate,
  type CertificateFiles,
  loadCertificate,
  ownCertificate,
} from "./certificate.ts";
import type { ClientTrust } from "./client-certificate.ts";

/** The files of one listener, as the settings name them. */
export interface ListenerTlsFiles {
  /** Null: a self-signed one is made and kept. */
  readonly own: CertificateFiles | null;
  /** For other names, chosen by SNI. */
  readonly also: readonly CertificateFiles[];
  readonly clientCa: string | null;
  readonly clientPins: readonly string[];
}

/** What a listener shows and whom it believes: one value, replaced whole. */
export interface ListenerTls {
  readonly own: Certificate;
  readonly also: readonly Certificate[];
  /** Null: clients are not asked for a certificate. */
  readonly clients: ClientTrust | null;
}

/** A listener's TLS as it changes. */
export interface TlsSource {
  current(): ListenerTls;
  /** Returns the function that ends the subscription. */
  onChange(listener: (tls: ListenerTls) => void): () => void;
}

export interface ListenerIdentity {
  readonly hostname: string;
  readonly dataDir: string;
}

/** Reads all of it, or throws with the reason when a part cannot serve. */
export async function readListenerTls(
  files: ListenerTlsFiles,
  { hostname, dataDir }: ListenerIdentity,
  now: number,
): Promise<ListenerTls> {
  const { own, also, clientCa, clientPins } = files;
  // Ours comes last: nothing is made and kept for a listener that cannot begin.
  const [others, ca] = await Promise.all([
    Promise.all(also.map(loadCertificate)),
    clientCa === null ? null : loadAuthorities(clientCa),
  ]);
  const first = own ? await loadCertificate(own) : await ownCertificate(hostname, dataDir, now);
  const asks = ca !== null || clientPins.length > 0;
  return { own: first, also: others, clients: asks ? { ca, pins: clientPins } : null };
}

/** Every path whose change matters. */
export function pathsOf({ own, also, clientCa }: ListenerTlsFiles): readonly string[] {
  const pairs = [...(own ? [own] : []), ...also];
  return [...pairs.flatMap(({ cert, key }) => [cert, key]), ...(clientCa ? [clientCa] : [])];
}

const PEM = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/**
 * Certificates of authorities. OpenSSL takes a file without any for an empty list and says nothing:
 * then nobody is verified, and the operator looks for the fault elsewhere.
 */
export async function loadAuthorities(path: string): Promise<string> {
  return parseAuthorities(path, await readFile(path, "utf8"));
}

/** As loadAuthorities, of what a file holds. */
export function parseAuthorities(path: string, text: string): string {
  const found = text.match(PEM) ?? [];
  if (found.length === 0) throw new Error(`${path}: expected a certificate in PEM`);
  for (const pem of found) assertCertificate(pem, path);
  return found.join("\n");
}

function assertCertificate(pem: string, path: string): void {
  try {
    new X509Certificate(pem);
  } catch (cause) {
    throw new Error(`${path}: holds a certificate that cannot be read`, { cause });
  }
}
