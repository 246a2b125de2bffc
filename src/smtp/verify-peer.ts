import { createHash, type X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import type { TLSSocket } from "node:tls";
import { toFingerprint } from "./client-certificate.ts";
import { judgeDanePeer } from "./dane-peer.ts";
import type { RemoteTls, TlsDemand, TlsFault, VerifiedDemand } from "./remote-tls.ts";

/** What the server showed in the handshake. */
export interface Peer {
  /** Its own certificate first, then those above it. Empty: none was shown. */
  readonly chain: readonly X509Certificate[];
  /** What OpenSSL says of chain, dates and purpose, names apart; null: all is well. */
  readonly chainError: string | null;
}

export type PeerVerdict =
  | {
      readonly kind: "fits";
      readonly by: RemoteTls["verified"];
      readonly match?: string;
      readonly unmet?: RemoteTls["unmet"] & object;
    }
  | { readonly kind: "refused"; readonly fault: TlsFault; readonly reason: string };

/** Longer chains are loops, or somebody who wants us to compute. */
const MAX_CHAIN = 10;

/** Of a client socket whose handshake let everybody in. */
export function peerOf(socket: TLSSocket): Peer {
  const chain: X509Certificate[] = [];
  let next = socket.getPeerX509Certificate();
  while (next !== undefined && chain.length < MAX_CHAIN) {
    const certificate = next;
    if (chain.some(({ fingerprint256 }) => fingerprint256 === certificate.fingerprint256)) break;
    chain.push(certificate);
    next = certificate.issuerCertificate;
  }
  const error = socket.authorized ? null : String(socket.authorizationError ?? "not verified");
  return { chain, chainError: error };
}

/**
 * Whether the server is whom the demand wants. The handshake lets everybody in, so that the log can
 * say what was wrong; nothing but EHLO has been said when this is asked.
 */
export function verifyPeer(peer: Peer, demand: TlsDemand): PeerVerdict {
  const { chain, chainError } = peer;
  const [own] = chain;
  switch (demand.kind) {
    case "none":
      return { kind: "fits", by: "no" };
    case "opportunistic":
    case "required":
      return demand.wish ? judgeWish(peer, demand.wish) : { kind: "fits", by: "no" };
    case "verified":
      if (!own) return refuse("certificate-untrusted", "it showed no certificate");
      if (chainError !== null) return refuseChain(chainError);
      return judgeNames(own, demand.names);
    case "pinned":
      return own ? judgePins(own, demand.pins) : refuse("pin", "it showed no certificate");
    case "dane":
      return judgeDanePeer(chain, demand);
  }
}

function judgeWish(peer: Peer, wish: VerifiedDemand): PeerVerdict {
  const verdict = verifyPeer(peer, wish);
  if (verdict.kind === "fits") return verdict;
  const { fault, reason } = verdict;
  return { kind: "fits", by: "no", unmet: { fault, reason } };
}

/**
 * Of the certificate's alternative names alone: a common name is free text (RFC 9525 2), and MTA-STS
 * rules it out (RFC 8461 4.1).
 */
function judgeNames(own: X509Certificate, names: readonly string[]): PeerVerdict {
  const match = names.find((name) => isFor(own, name));
  if (match !== undefined) return { kind: "fits", by: "ca", match };
  const its = (own.subjectAltName ?? "no alternative name").slice(0, MAX_SHOWN_CHARS);
  return refuse(
    "certificate-name",
    `the certificate is for other altnames than ${names.join(", ")}: ${its}`,
  );
}

function isFor(own: X509Certificate, name: string): boolean {
  if (isIP(name) !== 0) return own.checkIP(name) !== undefined;
  return own.checkHost(name, { subject: "never", partialWildcards: false }) !== undefined;
}

/** The certificate's own words; RFC 5280 puts no bound on them. */
const MAX_SHOWN_CHARS = 256;

/** A pin says which key is meant: what the certificate says, its dates too, adds nothing. */
function judgePins(own: X509Certificate, pins: readonly string[]): PeerVerdict {
  const certificate = toFingerprint(own.fingerprint256) ?? "";
  const match = [certificate, keyFingerprint(own)].find((print) => pins.includes(print));
  if (match !== undefined) return { kind: "fits", by: "pin", match };
  return refuse("pin", `the certificate is not one of those pinned: ${certificate}`);
}

/** SHA-256 of the SubjectPublicKeyInfo, which stays the same when a certificate is renewed. */
export function keyFingerprint({ publicKey }: X509Certificate): string {
  const spki = publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(spki).digest("hex");
}

const CHAIN_REASONS: Readonly<Record<string, string>> = {
  CERT_NOT_YET_VALID: "the certificate is not valid yet",
  INVALID_PURPOSE: "the certificate is not made for servers",
  DEPTH_ZERO_SELF_SIGNED_CERT: "the certificate is self-signed",
  SELF_SIGNED_CERT_IN_CHAIN: "the authority of the certificate is not trusted",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the authority of the certificate is not trusted",
  UNABLE_TO_GET_ISSUER_CERT: "the authority of the certificate is not trusted",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "the authority of the certificate is not trusted",
};

function refuseChain(code: string): PeerVerdict {
  if (code === "CERT_HAS_EXPIRED")
    return refuse("certificate-expired", "the certificate has expired");
  const known = Object.hasOwn(CHAIN_REASONS, code) ? CHAIN_REASONS[code] : undefined;
  return refuse("certificate-untrusted", known ?? `the certificate cannot be verified: ${code}`);
}

function refuse(fault: TlsFault, reason: string): PeerVerdict {
  return { kind: "refused", fault, reason };
}
