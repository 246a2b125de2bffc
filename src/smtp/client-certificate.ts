import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";

/** Which client certificates a listener accepts. One of the two is enough. */
export interface ClientTrust {
  /** PEM; null: no authority is trusted, also not those of the system. */
  readonly ca: string | null;
  /** SHA-256 fingerprints as `toFingerprint` writes them. */
  readonly pins: readonly string[];
}

/** What a client proved about itself in the handshake. Plain JSON. */
export type ClientCertificate =
  | { readonly kind: "none" }
  | (Shown & { readonly kind: "verified"; readonly by: "ca" | "pin" })
  | (Shown & { readonly kind: "refused"; readonly reason: string });

interface Shown {
  readonly subject: string;
  readonly fingerprint256: string;
}

/** A subject is the client's own words; RFC 5280 puts no bound on all of them together. */
const MAX_SUBJECT_CHARS = 256;
/** RFC 5280 4.2.1.12: id-kp-clientAuth, anyExtendedKeyUsage. */
const CLIENT_PURPOSES: readonly string[] = ["1.3.6.1.5.5.7.3.2", "2.5.29.37.0"];

/**
 * Judges after a handshake that let everybody in, so that the log can say what was wrong. OpenSSL
 * has checked the chain, its dates and its purpose against `trust.ca`; a pinned certificate has no
 * chain, so that its dates and purpose are checked here.
 */
export function judgeClientCertificate(
  socket: TLSSocket,
  trust: ClientTrust,
  now: number,
): ClientCertificate {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return { kind: "none" };
  const fingerprint256 = toFingerprint(certificate.fingerprint256) ?? "";
  const shown = { subject: toSubject(certificate), fingerprint256 };
  const refuse = (reason: string): ClientCertificate => ({ kind: "refused", reason, ...shown });
  // Node.js calls a resumed TLS 1.3 session authorized whatever was shown when it began.
  if (socket.isSessionReused()) return refuse("it was not shown in this session");
  if (trust.pins.includes(fingerprint256)) {
    const fault = faultOf(certificate, now);
    return fault === null ? { kind: "verified", by: "pin", ...shown } : refuse(fault);
  }
  // Without a CA of the operator's Node.js checks against all the world's.
  if (trust.ca === null) return refuse("it is not one of the pinned certificates");
  if (socket.authorized) return { kind: "verified", by: "ca", ...shown };
  return refuse(reasonOf(String(socket.authorizationError ?? "")));
}

/** 64 lower-case hexadecimal digits, or null; colons and case do not matter. */
export function toFingerprint(text: string): string | null {
  const hex = text.replaceAll(":", "").toLowerCase();
  return /^[0-9a-f]{64}$/.test(hex) ? hex : null;
}

function faultOf(certificate: X509Certificate, now: number): string | null {
  if (now < Date.parse(certificate.validFrom)) return "it is not valid yet";
  if (now > Date.parse(certificate.validTo)) return "it has expired";
  // The extended key usage, despite its name; absent: any purpose.
  const purposes: readonly string[] | undefined = certificate.keyUsage;
  const fits = purposes === undefined || purposes.some((one) => CLIENT_PURPOSES.includes(one));
  return fits ? null : "it is not made for clients";
}

const REASONS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "it has expired",
  CERT_NOT_YET_VALID: "it is not valid yet",
  INVALID_PURPOSE: "it is not made for clients",
  DEPTH_ZERO_SELF_SIGNED_CERT: "it is self-signed and not pinned",
  SELF_SIGNED_CERT_IN_CHAIN: "its authority is not the one of this listener",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its authority is not the one of this listener",
  UNABLE_TO_GET_ISSUER_CERT: "its authority is not the one of this listener",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its authority is not the one of this listener",
};

function reasonOf(code: string): string {
  const known = Object.hasOwn(REASONS, code) ? REASONS[code] : undefined;
  return known ?? "it cannot be verified";
}

function toSubject({ subject }: X509Certificate): string {
  return (subject ?? "").replaceAll("\n", ", ").slice(0, MAX_SUBJECT_CHARS);
}
