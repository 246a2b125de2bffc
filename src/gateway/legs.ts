import type { Address } from "../mail/address.ts";
import type { EnvelopeRecipient } from "../mail/envelope.ts";
import type { Message, MessageSource } from "../mail/message.ts";
import { applyHeaderEdits } from "../mail/rewrite-headers.ts";
import type { Decision } from "../pipeline/decision.ts";
import { groupByRoute } from "../relay/destination.ts";
import type { Leg } from "../relay/relay.ts";
import type { Ruled } from "./fold.ts";
import type { Transaction } from "./session-state.ts";
import { isForgedField, type StampContext, stampHeaders } from "./stamp.ts";

/** Recipients with the same route and the same edits, and the bytes they get. */
export interface PlannedLeg {
  readonly leg: Leg;
  readonly source: MessageSource;
  /** `spool`: the domain wants its 250 as soon as the spool is durable. */
  readonly ack: "hub" | "spool";
}

export interface LegContext {
  readonly transaction: Transaction;
  readonly message: Message;
  readonly stamp: StampContext;
  readonly senderAuthenticated: boolean;
}

export function planLegs(context: LegContext, ruled: readonly Ruled[]): readonly PlannedLeg[] {
  const { routing } = context.transaction.snapshot;
  return groupByStamp(context, ruled).flatMap((group) => {
    const [first] = group;
    if (!first) return [];
    const source = stampedSource(context, first.decision);
    const ack = first.domain?.ack ?? "hub";
    // Monitor mode lets pass what would have been refused: no bounce for it (threats.md P9).
    const senderAuthenticated = context.senderAuthenticated && first.decision.would === null;
    return groupByRoute(
      group.map(({ recipient }) => recipient),
      routing,
    ).map((recipients) => ({
      leg: { ...toLeg(context, recipients), senderAuthenticated },
      source,
      ack,
    }));
  });
}

/** The bytes as delivered: our headers on top, forged ones gone, the body untouched. */
export function stampedSource(context: LegContext, decision: Decision): MessageSource {
  return applyHeaderEdits(context.message, {
    remove: (field) => isForgedField(field, context.stamp, decision),
    addOnTop: stampHeaders(context.stamp, decision),
  });
}

export function toLeg(context: LegContext, recipients: readonly EnvelopeRecipient[]): Leg {
  const { transaction, senderAuthenticated } = context;
  return {
    transactionId: transaction.id,
    envelope: { sender: transaction.sender, recipients, mail: transaction.mail },
    needs: hubNeeds(context, recipients),
    senderAuthenticated,
    receivedAt: transaction.startedAt,
  };
}

/**
 * What the message needs: a false BODY=7BIT must not harm it, and an SMTPUTF8 that it makes no use of
 * must not stop it. Raw 8-bit header text without SMTPUTF8 is old bad style and no internationalised
 * mail (RFC 6531 3.6): a hub needs 8BITMIME for it and no more.
 */
export function hubNeeds(
  context: LegContext,
  recipients: readonly EnvelopeRecipient[],
): Leg["needs"] {
  const { message, transaction } = context;
  const addresses = [transaction.sender, ...recipients.map(({ address }) => address)];
  const isUtf8 = transaction.mail.smtputf8 && message.has8bitHeader;
  return {
    eightBitMime: message.has8bitBody || message.has8bitHeader,
    smtpUtf8: isUtf8 || addresses.some(isInternational),
  };
}

function isInternational(address: Address | null): boolean {
  return address !== null && /[^\x20-\x7e]/.test(address.spoken);
}

function groupByStamp(context: LegContext, ruled: readonly Ruled[]): readonly (readonly Ruled[])[] {
  if (ruled.length === 1) return [ruled];
  const groups = new Map<string, Ruled[]>();
  for (const one of ruled) {
    const { decision } = one;
    const stamp = [stampHeaders(context.stamp, decision), decision.edits, one.domain?.ack];
    const key = JSON.stringify(stamp);
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups.values()];
}
