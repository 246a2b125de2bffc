import type { X509Certificate } from "node:crypto";
import type { TlsDemand } from "./remote-tls.ts";
import type { PeerVerdict } from "./verify-peer.ts";

/**
 * RFC 7672: whether the chain fits one of the TLSA records. Until that is built nobody demands it,
 * and whoever does gets no connection.
 */
export function judgeDanePeer(
  _chain: readonly X509Certificate[],
  _demand: TlsDemand & { readonly kind: "dane" },
): PeerVerdict {
  return { kind: "refused", fault: "dane", reason: "DANE is not available in this version" };
}
