import { X509Certificate } from "node:crypto";
import type { Certificate } from "./certificate.ts";

/** Something about a certificate that an operator should know. */
export interface CertificateNote {
  readonly level: "warn" | "fail";
  readonly text: string;
}

const DAY_MS = 86_400_000;
/** Time enough to find out why the renewal does not run. */
export const EXPIRY_WARNING_MS: number = 14 * DAY_MS;

/** `hostname` null: any name will do, as for one that is chosen by SNI. */
export function noteCertificate(
  certificate: Certificate,
  hostname: string | null,
  now: number,
): readonly CertificateNote[] {
  const notes: CertificateNote[] = [];
  const note = (level: CertificateNote["level"], text: string) => void notes.push({ level, text });
  const leaf = new X509Certificate(certificate.cert);
  const day = new Date(certificate.expiresAt).toISOString().slice(0, 10);
  const left = certificate.expiresAt - now;
  if (left <= 0) note("fail", `it expired on ${day}`);
  else if (left < EXPIRY_WARNING_MS) note("warn", `it expires on ${day}`);
  if (now < Date.parse(leaf.validFrom)) note("fail", `it is not valid before ${leaf.validFrom}`);
  if (certificate.selfSigned) note("warn", "it is self-signed: nobody else vouches for it");
  if (hostname !== null && leaf.checkHost(hostname) === undefined)
    note("warn", `it is not for the name ${hostname}`);
  return notes;
}
