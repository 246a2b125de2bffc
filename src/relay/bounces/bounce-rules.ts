import { type EnvelopeRecipient, returnAddress } from "../../mail/envelope.ts";
import { parseHeaderBlock } from "../../mail/header-block.ts";
import type { Routing } from "../../policy/snapshot.ts";
import type { BounceKind } from "../../spool/spool.ts";
import type { Leg } from "../relay.ts";

/**
 * Why the sender of a leg is not told what became of a recipient; null: he is. Only one who proved
 * to be the sender (threats.md P9), never because of a bounce, only what he wants to know, and only
 * where a connector leads.
 */
export function reasonForSilence(
  kind: BounceKind,
  { senderAuthenticated, envelope }: Leg,
  notify: EnvelopeRecipient["notify"],
  routing: Pick<Routing, "route">,
): string | null {
  const sender = returnAddress(envelope);
  if (sender === null) return "it is a bounce itself";
  if (!senderAuthenticated) return "its sender may be forged";
  if (!isWanted(kind, notify)) return "the sender wants to hear nothing of it";
  if (sender.domain !== "" && routing.route(sender.domain) !== null) return null;
  return `no connector takes mail for ${sender.domain}`;
}

/** RFC 3461 4.1. Who says nothing hears of failures and of delays. */
function isWanted(kind: BounceKind, notify: EnvelopeRecipient["notify"]): boolean {
  if (kind === "relayed") return notify?.includes("SUCCESS") ?? false;
  return notify?.includes(kind === "failed" ? "FAILURE" : "DELAY") ?? true;
}

/** Nobody waits for an answer to it: a warning would only trouble a program or a list. */
export function isAutomatic(headers: Buffer): boolean {
  const block = parseHeaderBlock(headers);
  const precedence = block.first("precedence") ?? "";
  const submitted = block.first("auto-submitted") ?? "no";
  if (/^(?:bulk|list|junk)\b/i.test(precedence) || block.first("list-id") !== null) return true;
  // RFC 3834 5: anything but `no`, with parameters or without.
  return !/^no\s*(?:[;(]|$)/i.test(submitted);
}
