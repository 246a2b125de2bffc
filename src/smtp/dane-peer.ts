import type { X509Certificate } from "node:crypto";
import { judgeDaneChain } from "./dane-chain.ts";
import type { TlsDemand } from "./remote-tls.ts";
import type { PeerVerdict } from "./verify-peer.ts";

/** RFC 7672: whether what the server showed fits one of the TLSA records. */
export function judgeDanePeer(
  chain: readonly X509Certificate[],
  demand: TlsDemand & { readonly kind: "dane" },
  now: number = Date.now(),
): PeerVerdict {
  const verdict = judgeDaneChain(chain, demand, now);
  return verdict.kind === "fits" ? { kind: "fits", by: "dane", match: verdict.record } : verdict;
}
