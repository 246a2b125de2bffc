import type { Address } from "../mail/address.ts";
import type { Envelope } from "../mail/envelope.ts";
import { fieldOriginsOf } from "../mail/field-origin.ts";
import type { Message, MessageSource } from "../mail/message.ts";
import { applyHeaderEdits } from "../mail/rewrite-headers.ts";
import type { Decision } from "../pipeline/decision.ts";
import type { Edit } from "../pipeline/edit.ts";
import { groupByRoute } from "../relay/hubs/destination.ts";
import type { Leg } from "../relay/relay.ts";
import { editedEnvelope } from "./edited-envelope.ts";
import type { Ruled } from "./fold.ts";
import type { MessageSigning } from "./message-signing.ts";
import type { Transaction } from "./session-state.ts";
import { isForgedField, type StampContext, stampHeaders } from "./stamp.ts";

/** Recipients with the same route and the same edits, and the bytes they get. */
export interface PlannedLeg {
  readonly leg: Leg;
  readonly source: MessageSource;
  /** `spool`: the domain wants its 250 as soon as the spool is durable. */
  readonly ack: "hub" | "spool";
}

/** What the bytes of a leg are made of. */
export interface SourceContext {
  readonly transaction: Pick<Transaction, "pipeline" | "snapshot">;
  readonly message: Message;
  readonly stamp: StampContext;
  readonly signing: MessageSigning;
}

export interface LegContext extends SourceContext {
  readonly transaction: Transaction;
  readonly senderAuthenticated: boolean;
}

/** Throws Unavailable("signing"). */
export async function planLegs(
  context: LegContext,
  ruled: readonly Ruled[],
): Promise<readonly PlannedLeg[]> {
  const { routing } = context.transaction.snapshot;
  const legs: PlannedLeg[] = [];
  for (const group of groupByStamp(context, ruled)) {
    const [first] = group;
    if (!first) continue;
    const source = await finishedSource(context, first.decision);
    const ack = first.domain?.ack ?? "hub";
    const envelope = editedEnvelope(context.transaction, group, first.decision);
    for (const recipients of groupByRoute(envelope.recipients, routing)) {
      const leg = toLeg(context, { ...envelope, recipients }, first.decision);
      legs.push({ leg, source, ack });
    }
  }
  return legs;
}

/** The bytes as delivered, signed. They are kept so in spool and quarantine: signed once, and now. */
export function finishedSource(context: SourceContext, decision: Decision): Promise<MessageSource> {
  return context.signing.sign(stampedSource(context, decision), context, decision);
}

/**
 * The bytes as delivered: our headers on top, forged ones gone, addresses rewritten, the body
 * untouched.
 */
function stampedSource(context: SourceContext, decision: Decision): MessageSource {
  return applyHeaderEdits(context.message, {
    remove: (field) => isForgedField(field, context.stamp, decision),
    addOnTop: stampHeaders(context.stamp, decision),
    replace: headerReplacements(decision),
  });
}

function headerReplacements({ edits }: Decision) {
  return edits.filter((edit) => edit.kind === "replace-in-header");
}

export function toLeg(context: LegContext, envelope: Envelope, decision: Decision): Leg {
  const { transaction, senderAuthenticated, message } = context;
  const fieldOrigins = fieldOriginsOf(message.headers, headerReplacements(decision));
  return {
    transactionId: transaction.id,
    envelope,
    needs: hubNeeds(context, envelope),
    // Monitor mode lets pass what would have been refused: no bounce for it (threats.md P9).
    senderAuthenticated: senderAuthenticated && decision.would === null,
    receivedAt: transaction.startedAt,
    ...(fieldOrigins.length > 0 && { fieldOrigins }),
  };
}

/**
 * What the message needs: a false BODY=7BIT must not harm it, and an SMTPUTF8 that it makes no use of
 * must not stop it. Raw 8-bit header text without SMTPUTF8 is old bad style and no internationalised
 * mail (RFC 6531 3.6): a hub needs 8BITMIME for it and no more.
 */
export function hubNeeds(
  { message, transaction }: LegContext,
  { sender, recipients }: Envelope,
): Leg["needs"] {
  const addresses = [sender, ...recipients.map(({ address }) => address)];
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
    const edits = decision.edits.filter(isShared);
    const stamp = [stampHeaders(context.stamp, decision), edits, one.domain?.ack];
    const key = JSON.stringify(stamp);
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups.values()];
}

/** Those that make other bytes or another sender; the others are of one recipient only. */
export function isShared({ kind }: Edit): boolean {
  return kind !== "replace-recipient" && kind !== "add-recipient";
}
