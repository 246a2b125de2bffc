import type { Clock } from "../base/clock.ts";
import type { Cause } from "../pipeline/cause.ts";
import type { FactBus } from "../pipeline/facts.ts";
import type { Hold, Quarantine } from "../quarantine/quarantine.ts";
import { editedEnvelope } from "./edited-envelope.ts";
import type { Ruled } from "./fold.ts";
import { finishedSource, hubNeeds, isShared, type LegContext } from "./legs.ts";
import { toMessageRecord } from "./record.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * Puts the copies of these recipients into quarantine, one entry a cause and stamp; what was yielded is
 * durable. Throws Unavailable("quarantine") or ("signing"): then nothing is promised.
 */
export async function* holdRecipients(
  deps: { readonly quarantine: Quarantine; readonly facts: FactBus; readonly clock: Clock },
  context: LegContext,
  ruled: readonly Ruled[],
): AsyncGenerator<Hold, void, undefined> {
  for (const group of byStamp(ruled)) {
    const [first] = group;
    if (!first) continue;
    const cause = causeOf(first);
    const { transaction, message, senderAuthenticated } = context;
    const envelope = editedEnvelope(transaction, group, first.decision);
    const now = deps.clock.now();
    const { subject, from } = toMessageRecord(message);
    const hold = await deps.quarantine.hold(
      {
        transactionId: transaction.id,
        cause,
        detail: describe(first),
        envelope,
        senderAuthenticated,
        needs: hubNeeds(context, envelope),
        clientIp: transaction.session.client.ip,
        subject,
        from,
        score: first.decision.score,
        heldAt: now,
        expiresAt: now + transaction.snapshot.quarantine.keepDays * DAY_MS,
      },
      await finishedSource(context, first.decision),
    );
    const addresses = group.map(({ recipient }) => recipient.address.spoken);
    const { id } = transaction;
    deps.facts.emit({ kind: "held", at: now, id, holdId: hold.id, cause, recipients: addresses });
    yield hold;
  }
}

/** The bytes of an entry carry one score, so those who share it have the same. */
function byStamp(ruled: readonly Ruled[]): readonly (readonly Ruled[])[] {
  const groups = new Map<string, Ruled[]>();
  for (const one of ruled) {
    const { score, scl, edits } = one.decision;
    const key = JSON.stringify([causeOf(one), score, scl, edits.filter(isShared)]);
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups.values()];
}

function causeOf({ decision }: Ruled): Cause {
  return decision.cause ?? "spam";
}

function describe({ decision }: Ruled): string {
  const words = Object.entries(decision.about).map(([key, value]) => `${key}: ${value}`);
  const who = decision.stage ?? `score ${decision.score}`;
  return [who, ...words].join("; ");
}
