import type { TlsaRecord } from "../net/resolver.ts";

/** How sure we must be of the other side before it gets mail. Plain data, so that it can be a key. */
export type TlsDemand =
  | { readonly kind: "none" }
  /** TLS when it is offered and works, whatever the certificate, else plain. */
  | { readonly kind: "opportunistic"; readonly wish?: VerifiedDemand }
  /** TLS or nothing, whatever the certificate. */
  | { readonly kind: "required"; readonly wish?: VerifiedDemand }
  | VerifiedDemand
  /** One of these certificates or public keys, whatever it says of itself. */
  | {
      readonly kind: "pinned";
      /** SHA-256 of the certificate or of its public key (SPKI), 64 lower-case hex digits. */
      readonly pins: readonly string[];
    }
  /** RFC 7672. */
  | {
      readonly kind: "dane";
      /** Usable ones only. */
      readonly records: readonly TlsaRecord[];
      /**
       * Names that a certificate below a pinned authority (usage 2) may be for. The first is the one
       * that the records are of: the server is asked for its certificate (RFC 7672 8.1, SNI).
       */
      readonly names: readonly string[];
    };

/** A valid certificate for one of the names (or addresses). As a wish it is only looked at and told. */
export interface VerifiedDemand {
  readonly kind: "verified";
  readonly names: readonly string[];
  /** PEM of the authorities trusted instead of the system's. */
  readonly ca?: string;
}

/** What we show when the server asks who we are. PEM; the certificate with its chain. */
export interface ClientIdentity {
  readonly cert: string;
  readonly key: string;
}

/** Why there is no TLS, or none that we may use, in the words of RFC 8460 4.3. */
export type TlsFault =
  /** STARTTLS was not offered, or refused. */
  | "starttls"
  | "handshake"
  | "certificate-expired"
  | "certificate-name"
  | "certificate-untrusted"
  | "pin"
  | "dane";

/** The TLS of a connection that stands. Plain JSON. */
export interface RemoteTls {
  readonly protocol: string;
  readonly cipher: string;
  /** How the server proved who it is; `no`: it was not asked to. */
  readonly verified: "no" | "ca" | "pin" | "dane";
  /** The name, fingerprint or TLSA record that fitted. */
  readonly match?: string;
  /** What was wished for and is not so. */
  readonly unmet?: { readonly fault: TlsFault; readonly reason: string };
}
