import { pause } from "../base/clock.ts";
import { errorText, Unavailable } from "../base/errors.ts";
import type { EnvelopeRecipient } from "../mail/envelope.ts";
import type { Limits } from "../policy/limits.ts";
import { formatRemoteReply } from "../smtp/client-reply.ts";
import type { RecipientFate, RemoteReply } from "../smtp/smtp-client.ts";
import type { SpoolLease } from "../spool/spool.ts";
import { notifyDelay, notifyRelayed } from "./bounces/notify-sender.ts";
import { EXPIRED, type Told, UNANSWERED } from "./bounces/told.ts";
import { settleUndeliverable, type UndeliverableDeps } from "./bounces/undeliverable.ts";
import type { Hop } from "./hubs/hubs.ts";
import { isGivenUp, toRetryDelay } from "./retry-delay.ts";

export interface FinishDeps extends UndeliverableDeps {
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
  /** The hub offered DSN and has heard what the sender wants to know. */
  readonly dsn: boolean;
  /** Of one who is given up: what the hub said last, or why none said anything. */
  readonly last?: RemoteReply;
  readonly reason?: string;
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
  const { item, source } = lease;
  const ageMs = clock.now() - item.receivedAt;
  const final = outcomes.map((outcome) => (isGivenUp(ageMs, limits()) ? giveUp(outcome) : outcome));
  const owed = await settleRefusals(deps, lease, final);
  const taken = final.filter(({ fate, dsn }) => fate.kind === "accepted" && !dsn);
  await notifyRelayed(deps, item, source, taken.map(toTold));
  const left = final.filter((outcome) => isOpen(outcome) || owed.has(outcome.recipient));
  const open = final.filter(isOpen);
  tellDeferred(deps, lease, open);
  const delayTold = await tellDelay(deps, lease, ageMs, open);
  const delayMs = toRetryDelay(ageMs, limits(), deps.random());
  const dueAt = clock.now() + Math.min(delayMs, untilToldMs(ageMs, limits()));
  const reason = left.map(inWords)[0] ?? "";
  const recipients = left.map(({ recipient }) => recipient);
  const isUnreached = left.every(({ fate }) => fate.kind === "open");
  const more = { isUnreached, ...(delayTold && { delayTold }) };
  await untilDone(deps, item.id, signal, () =>
    left.length === 0 ? lease.remove() : lease.retry({ recipients, dueAt, reason, ...more }),
  );
}

/** An attempt ends in a warning or a bounce: there is one when either is due, and none long after. */
function untilToldMs(ageMs: number, limits: Limits["delivery"]): number {
  const deadlines = [limits.warnAfterSeconds, limits.giveUpAfterSeconds];
  const ahead = deadlines.map((seconds) => seconds * 1000 - ageMs).filter((ms) => ms > 0);
  return Math.min(...ahead);
}

function isOpen({ fate }: Outcome): boolean {
  return fate.kind === "later" || fate.kind === "open";
}

/** Once an entry, and that is written down with it: a restart does not tell the sender again. */
async function tellDelay(
  deps: FinishDeps,
  { item, source }: SpoolLease,
  ageMs: number,
  open: readonly Outcome[],
): Promise<boolean> {
  if (item.delayTold || open.length === 0) return item.delayTold ?? false;
  if (ageMs < deps.limits().warnAfterSeconds * 1000) return false;
  return notifyDelay(deps, item, source, open.map(toTold));
}

function toTold({ recipient, hub, fate, last, reason }: Outcome): Told {
  if (fate.kind === "open") return { recipient, hub, reply: UNANSWERED, reason: fate.reason };
  const more = { ...(last && { last }), ...(reason !== undefined && { reason }) };
  return { recipient, hub, reply: fate.reply, ...more };
}

/** Those refused who could be neither bounced nor held. */
async function settleRefusals(
  deps: FinishDeps,
  lease: SpoolLease,
  outcomes: readonly Outcome[],
): Promise<ReadonlySet<EnvelopeRecipient>> {
  const refused = outcomes.filter(({ fate }) => fate.kind === "refused");
  const owed = await settleUndeliverable(deps, lease.item, lease.source, refused.map(toTold));
  return new Set(owed.map(({ recipient }) => recipient));
}

function giveUp(outcome: Outcome): Outcome {
  const { fate } = outcome;
  if (fate.kind === "accepted" || fate.kind === "refused") return outcome;
  const last = fate.kind === "open" ? { reason: fate.reason } : { last: fate.reply };
  return { ...outcome, ...last, fate: { kind: "refused", reply: EXPIRED } };
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
