import { errorText } from "../base/errors.ts";
import type { Address } from "../mail/address.ts";
import { applyHeaderEdits } from "../mail/rewrite-headers.ts";
import type { SpoolLease } from "../spool/spool.ts";
import type { CarryOutDeps } from "./carry-out.ts";
import type { Ruled } from "./fold.ts";
import { type LegContext, toLeg } from "./legs.ts";
import { type HeaderLine, isForgedField, stampHeaders } from "./stamp.ts";

/**
 * Blind copies of one message. They are durable before the message is handed to anybody: where they
 * cannot be kept nothing has gone out, and the client sends again. From there on what becomes of a
 * copy is no matter of the client, nor of the sender: its envelope has the null sender, so that one
 * that cannot be delivered is held.
 */
export interface Copies {
  /** Throws Unavailable("spool"). */
  spool(context: LegContext, ruled: readonly Ruled[]): Promise<void>;
  /** The message is kept: they are due. Never throws. */
  send(): Promise<void>;
  /** The message stays with the client. Never throws. */
  drop(): Promise<void>;
}

const REASON = "a blind copy";

export function createCopies({ spool, relay, clock, facts, log }: CarryOutDeps): Copies {
  const leases: SpoolLease[] = [];
  return {
    async spool(context, ruled) {
      for (const [to, one] of copiesOf(ruled)) {
        const leg = toCopyLeg(context, to, one);
        const item = { ...leg, dueAt: clock.now(), reason: REASON };
        leases.push(await spool.addLeased(item, copySource(context, one)));
      }
    },
    async send() {
      for (const lease of leases.splice(0)) {
        const { transactionId: id, envelope } = lease.item;
        const { recipients } = envelope;
        const at = clock.now();
        const addresses = recipients.map(({ address }) => address.spoken);
        facts.emit({ kind: "deferred", at, id, recipients: addresses, hub: null, reply: REASON });
        try {
          await lease.retry({ recipients, dueAt: at, reason: REASON });
          relay.wake();
        } catch (error) {
          log.error("copy-not-due", { id, error: errorText(error) });
          // It is durable: the end of an attempt that never was frees it, again and again.
          const settled = { kind: "unsent", reason: REASON, reply: null } as const;
          relay.adopt(lease, Promise.resolve(settled), null);
        }
      }
    },
    async drop() {
      for (const lease of leases.splice(0)) {
        const { transactionId: id } = lease.item;
        // At worst it is delivered although the client sends again: the journal has it twice.
        await lease.remove().catch((error: unknown) => {
          log.error("copy-not-dropped", { id, error: errorText(error) });
        });
      }
    },
  };
}

/** Each address once, with the first recipient whose mail it is a copy of. */
function copiesOf(ruled: readonly Ruled[]): Iterable<readonly [Address, Ruled]> {
  const copies = new Map<string, readonly [Address, Ruled]>();
  for (const one of ruled) {
    for (const edit of one.decision.edits) {
      if (edit.kind !== "add-recipient" || copies.has(edit.address.spoken)) continue;
      copies.set(edit.address.spoken, [edit.address, one]);
    }
  }
  return copies.values();
}

function toCopyLeg(context: LegContext, to: Address, { decision }: Ruled) {
  const { body, smtputf8 } = context.transaction.mail;
  const envelope = { sender: null, recipients: [{ address: to }], mail: { body, smtputf8 } };
  return { ...toLeg(context, envelope, decision), senderAuthenticated: false };
}

/** The message as it came, with our stamp and the envelope that it came in. */
function copySource(context: LegContext, { decision }: Ruled) {
  return applyHeaderEdits(context.message, {
    remove: (field) => isForgedField(field, context.stamp, decision),
    addOnTop: [...stampHeaders(context.stamp, decision), ...envelopeHeaders(context)],
  });
}

/** Nobody else can write them: every field whose name begins so is removed from what comes in. */
function envelopeHeaders({ transaction }: LegContext): readonly HeaderLine[] {
  const { sender, recipients } = transaction;
  return [
    { name: "X-Postern-Envelope-From", value: inBrackets(sender) },
    ...recipients.map(({ envelope: { address } }) => ({
      name: "X-Postern-Envelope-To",
      value: inBrackets(address),
    })),
  ];
}

/** RFC 6533 3: other than ASCII as its number. */
function inBrackets(address: Address | null): string {
  const text = [...(address?.spoken ?? "")].map((char) => {
    const code = char.codePointAt(0) ?? 0;
    return code > 126 ? `\\x{${code.toString(16).toUpperCase()}}` : char;
  });
  return `<${text.join("")}>`;
}
