import { localReply } from "../smtp/client-reply.ts";
import type { RemoteCapabilities, RemoteReply } from "../smtp/smtp-client.ts";

/**
 * What this hub cannot take as it is; null when it can. We never recode a body: it would no longer
 * be what was scanned and signed.
 */
export function toLocalRefusal(
  needs: { readonly eightBitMime: boolean; readonly smtpUtf8: boolean },
  bytes: number,
  capabilities: RemoteCapabilities,
): RemoteReply | null {
  if (needs.smtpUtf8 && !capabilities.smtpUtf8) {
    return localReply(550, "5.6.7", "The next server does not take internationalized mail");
  }
  if (needs.eightBitMime && !capabilities.eightBitMime) {
    return localReply(554, "5.6.3", "The next server does not take 8-bit content");
  }
  if (capabilities.maxBytes !== null && bytes > capabilities.maxBytes) {
    return localReply(552, "5.3.4", "Message too large for the next server");
  }
  return null;
}
