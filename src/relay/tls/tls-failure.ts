import type { TlsFailure, TlsFailureType } from "../../pipeline/facts.ts";
import type { TlsFault } from "../../smtp/remote-tls.ts";
import type { MxSession } from "./tls-policy.ts";

/** RFC 8460 4.3: what reports call it. */
const TYPES: { readonly [F in TlsFault]: TlsFailureType } = {
  starttls: "starttls-not-supported",
  handshake: "validation-failure",
  "certificate-expired": "certificate-expired",
  "certificate-name": "certificate-host-mismatch",
  "certificate-untrusted": "certificate-not-trusted",
  pin: "validation-failure",
  dane: "validation-failure",
};

/** True for a session that came as far as TLS, whatever became of it. */
export function isAboutTls(session: MxSession): boolean {
  return session.kind === "connected" || session.tlsFault !== undefined;
}

/** What was wrong with the TLS of a session; null: nothing. */
export function failureOf(session: MxSession): TlsFailure | null {
  if (session.kind === "failed") {
    const { tlsFault, reason } = session;
    return tlsFault === undefined ? null : { type: TYPES[tlsFault], reason };
  }
  const { tls, brokenTls } = session;
  if (brokenTls !== undefined) return { type: TYPES.handshake, reason: brokenTls };
  if (tls === null) return { type: "starttls-not-supported", reason: "no TLS was offered" };
  const { unmet } = tls;
  return unmet ? { type: TYPES[unmet.fault], reason: unmet.reason } : null;
}
