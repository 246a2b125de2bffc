import { pause } from "../base/clock.ts";
import { errorText, Unavailable } from "../base/errors.ts";
import type { EnvelopeRecipient } from "../mail/envelope.ts";
import type { Limits } from "../policy/limits.ts";
import { formatRemoteReply, localReply } from "../smtp/client-reply.ts";
import type { RecipientFate } from "../smtp/smtp-client.ts";
import type { SpoolLease } from "../spool/spool.ts";
import type { Failure } from "./bounce.ts";
import type { Hop } from "./hubs.ts";
import { isGivenUp, toRetryDelay } from "./retry-delay.ts";
import { settleUndeliverable, type UndeliverableDeps } from "./undeliverable.ts";

export interface FinishDeps extends UndeliverableDeps {
  readonly limits: () => Limits["delivery"];
  /** 0 to 1. */
  readonly random: () => number;
}

/** What an attempt did for one recipient of an entry. */
export interface Outcome {
  readonly recipient: EnvelopeRecipient;
  readonly hub: string | null;
  /** How it was reached, when it was. */
  readonly hop?: Hop;
  /** `open`: nobody said yes or no, or nobody knows what was said. */
  readonly fate: RecipientFate | { readonly kind: "open"; readonly reason: string };
}

/** How long an entry whose lease cannot be ended is left in peace. */
const FREE_AGAIN_MS = 60_000;

/**
 * Ends the lease of an entry after an attempt. What is refused for good, or too old, is bounced or
 * held before it leaves the entry; while that fails it stays owed. Never throws; tries to end the
 * lease until the signal aborts, and then leaves it to the next start.
 */
export async function finishEntry(
  deps: FinishDeps,
  lease: SpoolLease,
  outcomes: readonly Outcome[],
  signal: AbortSignal,
): Promise<void> {
  const { clock, limits } = deps;
  const ageMs = clock.now() - lease.item.receivedAt;
  const final = outcomes.map((outcome) => (isGivenUp(ageMs, limits()) ? giveUp(outcome) : outcome));
  const owed = await settleRefusals(deps, lease, final);
  const isOpen = ({ fate }: Outcome) => fate.kind === "later" || fate.kind === "open";
  const left = final.filter((outcome) => isOpen(outcome) || owed.has(outcome.recipient));
  tellDeferred(deps, lease, final.filter(isOpen));
  const dueAt = clock.now() + toRetryDelay(ageMs, limits(), deps.random());
  const reason = left.map(inWords)[0] ?? "";
  const recipients = left.map(({ recipient }) => recipient);
  await untilDone(deps, lease.item.id, signal, () =>
    left.length === 0 ? lease.remove() : lease.retry({ recipients, dueAt, reason }),
  );
}

/** Those refused who could be neither bounced nor held. */
async function settleRefusals(
  deps: FinishDeps,
  lease: SpoolLease,
  outcomes: readonly Outcome[],
): Promise<ReadonlySet<EnvelopeRecipient>> {
  const byHub = new Map<string | null, Failure[]>();
  for (const { recipient, hub, fate } of outcomes) {
    if (fate.kind !== "refused") continue;
    byHub.set(hub, [...(byHub.get(hub) ?? []), { recipient, reply: fate.reply }]);
  }
  const owed = new Set<EnvelopeRecipient>();
  for (const [hub, failures] of byHub) {
    const left = await settleUndeliverable(deps, lease.item, lease.source, failures, hub);
    for (const { recipient } of left) owed.add(recipient);
  }
  return owed;
}

/** RFC 3463 X.4.7: the delivery time expired. */
function giveUp(outcome: Outcome): Outcome {
  if (outcome.fate.kind === "accepted" || outcome.fate.kind === "refused") return outcome;
  const text = `Delivery time expired; the last answer was: ${inWords(outcome)}`;
  return { ...outcome, fate: { kind: "refused", reply: localReply(451, "4.4.7", text) } };
}

function inWords({ fate }: Outcome): string {
  return fate.kind === "open" ? fate.reason : formatRemoteReply(fate.reply);
}

function tellDeferred(deps: FinishDeps, lease: SpoolLease, open: readonly Outcome[]): void {
  const byWords = new Map<string, Outcome[]>();
  for (const one of open) {
    const words = `${one.hub} ${inWords(one)}`;
    byWords.set(words, [...(byWords.get(words) ?? []), one]);
  }
  for (const group of byWords.values()) {
    const [first] = group;
    if (!first) continue;
    deps.facts.emit({
      kind: "deferred",
      at: deps.clock.now(),
      id: lease.item.transactionId,
      recipients: group.map(({ recipient }) => recipient.address.spoken),
      hub: first.hub,
      ...first.hop,
      reply: inWords(first),
    });
  }
}

async function untilDone(
  { clock, log }: FinishDeps,
  entry: string,
  signal: AbortSignal,
  work: () => Promise<void>,
): Promise<void> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      log.error("spool-lease-not-ended", { entry, reason: errorText(error) });
      if (!(error instanceof Unavailable)) return;
    }
    await pause(clock, FREE_AGAIN_MS, signal);
    if (signal.aborted) return;
  }
}
