import type { Clock } from "../base/clock.ts";
import { Unavailable } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Cause } from "../pipeline/cause.ts";
import type { FactBus } from "../pipeline/facts.ts";
import type { Hold, Quarantine } from "../quarantine/quarantine.ts";
import type { Hop } from "../relay/hubs/hubs.ts";
import type { AttemptResult, Leg, Relay } from "../relay/relay.ts";
import type { RecipientFate, RemoteReply } from "../smtp/smtp-client.ts";
import type { SpoolIntake } from "../spool/spool-intake.ts";
import { createCopies } from "./copies.ts";
import type { Ruled } from "./fold.ts";
import { holdRecipients } from "./hold.ts";
import { type LegContext, type PlannedLeg, planLegs } from "./legs.ts";

export interface CarryOutDeps {
  readonly relay: Relay;
  readonly spool: SpoolIntake;
  readonly quarantine: Quarantine;
  readonly facts: FactBus;
  readonly clock: Clock;
  readonly log: Log;
}

/** What has become of a message that the decision lets in. */
export type CarriedOut = (
  | { readonly kind: "kept"; readonly via: "hub" | "spool" | "quarantine" }
  | { readonly kind: "passed-on"; readonly reply: RemoteReply }
  | { readonly kind: "not-kept"; readonly cause: Cause }
) & {
  /** Resolves when an attempt that outlives the reply needs the bytes no longer. */
  readonly released: Promise<void>;
};

interface Attempted extends PlannedLeg {
  readonly result: AttemptResult;
}

/**
 * Makes the promise behind 250 come true, or says that it did not: blind copies are spooled before
 * anything else, and go out when it is kept; then holds, then the hub, then the spool for whatever
 * the hub has not taken. When a part can be kept nowhere the client is told
 * to send all of it again: somebody may get it twice, nobody not at all.
 */
export async function carryOut(
  deps: CarryOutDeps,
  context: LegContext,
  relay: readonly Ruled[],
  hold: readonly Ruled[],
): Promise<CarriedOut> {
  const copies = createCopies(deps);
  try {
    await copies.spool(context, relay);
    const outcome = await keep(deps, context, relay, hold);
    await (outcome.kind === "kept" ? copies.send() : copies.drop());
    return outcome;
  } catch (error) {
    await copies.drop();
    return notKept(deps, context, error);
  }
}

function notKept(deps: CarryOutDeps, context: LegContext, error: unknown): CarriedOut {
  if (!(error instanceof Unavailable)) throw error;
  deps.log.error("not-kept", { id: context.transaction.id, reason: error.message });
  const cause = error.dependency === "spool" ? "no-space" : "check-unavailable";
  return { kind: "not-kept", cause, released: Promise.resolve() };
}

async function keep(
  deps: CarryOutDeps,
  context: LegContext,
  relay: readonly Ruled[],
  hold: readonly Ruled[],
): Promise<CarriedOut> {
  const holds: Hold[] = [];
  try {
    for await (const held of holdRecipients(deps, context, hold)) holds.push(held);
    const attempts = await attemptLegs(deps, context, relay);
    const fates = attempts.flatMap(({ result }) =>
      result.kind === "answered" ? result.fates : [],
    );
    if (holds.length === 0 && isRefusedByAll(attempts, fates)) {
      const reply = (fates.find(({ kind }) => kind === "later") ?? fates[0])?.reply;
      if (reply) return { kind: "passed-on", reply, released: Promise.resolve() };
    }
    const kept = await Promise.all(attempts.map((attempt) => settle(deps, context, attempt)));
    const via = strongest(
      kept.map((one) => one.via),
      holds.length > 0,
    );
    const released = Promise.all(kept.map((one) => one.released)).then(() => {});
    return { kind: "kept", via, released };
  } catch (error) {
    await undo(deps, holds);
    return notKept(deps, context, error);
  }
}

async function attemptLegs(
  deps: CarryOutDeps,
  context: LegContext,
  relay: readonly Ruled[],
): Promise<readonly Attempted[]> {
  const waitMs = context.transaction.snapshot.limits.delivery.waitSeconds * 1000;
  const legs = await planLegs(context, relay);
  return Promise.all(
    legs.map(async (planned) => {
      if (planned.ack === "hub")
        return {
          ...planned,
          result: await deps.relay.attempt(planned.leg, planned.source, waitMs),
        };
      const reason = "the domain acknowledges on the spool";
      return { ...planned, result: { kind: "unsent" as const, hub: null, reason, reply: null } };
    }),
  );
}

/** Every recipient has an answer and none of them is a yes: nothing has to be kept. */
function isRefusedByAll(attempts: readonly Attempted[], fates: readonly RecipientFate[]): boolean {
  return (
    attempts.every(({ result }) => result.kind === "answered") &&
    fates.every(({ kind }) => kind !== "accepted")
  );
}

interface Kept {
  readonly via: "hub" | "spool";
  readonly released: Promise<void>;
}

/** Gives every recipient of a leg a durable fate. Throws Unavailable when that cannot be done. */
async function settle(deps: CarryOutDeps, context: LegContext, one: Attempted): Promise<Kept> {
  const { result, leg } = one;
  if (result.kind === "unsent") {
    const { recipients } = leg.envelope;
    await keepInSpool(deps, context, one, { ...result, recipients, delayMs: 0 });
    return { via: "spool", released: Promise.resolve() };
  }
  if (result.kind === "pending") return lend(deps, context, one, result);
  const later = leg.envelope.recipients.filter((_, i) => result.fates[i]?.kind === "later");
  await deps.relay.settleAnswered(leg, one.source, result);
  if (later.length > 0) {
    const { delivery } = context.transaction.snapshot.limits;
    const delayMs = delivery.retryFirstSeconds * 1000;
    const reason = "deferred by the hub";
    const { hub, hop } = result;
    await keepInSpool(deps, context, one, {
      recipients: later,
      hub,
      ...(hop && { hop }),
      reason,
      delayMs,
    });
  }
  const anyAccepted = result.fates.some(({ kind }) => kind === "accepted");
  return { via: anyAccepted ? "hub" : "spool", released: Promise.resolve() };
}

interface Owed {
  readonly recipients: Leg["envelope"]["recipients"];
  /** Who could not be reached, or said "later"; null: nobody was asked. */
  readonly hub: string | null;
  readonly hop?: Hop;
  readonly reason: string;
  /** 0: nobody was asked, or nobody answered; else the hub said "later". */
  readonly delayMs: number;
}

async function keepInSpool(
  deps: CarryOutDeps,
  context: LegContext,
  { leg, source }: PlannedLeg,
  { recipients, hub, hop, reason, delayMs }: Owed,
): Promise<void> {
  const dueAt = deps.clock.now() + delayMs;
  const item = { ...leg, envelope: { ...leg.envelope, recipients }, dueAt, reason };
  await deps.spool.add(item, source);
  deps.relay.wake();
  deps.facts.emit({
    kind: "deferred",
    at: deps.clock.now(),
    id: context.transaction.id,
    recipients: recipients.map(({ address }) => address.spoken),
    hub,
    ...hop,
    reply: reason,
  });
}

/**
 * Our final dot is out and the hub is silent: the entry is spooled with this very attempt as its
 * lease holder, so that nobody sends the message a second time. Without a spool we can only wait.
 */
async function lend(
  deps: CarryOutDeps,
  context: LegContext,
  one: Attempted,
  pending: AttemptResult & { kind: "pending" },
): Promise<Kept> {
  const { leg, source } = one;
  const reason = `waiting for the answer of ${pending.hub}`;
  try {
    const lease = await deps.spool.addLeased({ ...leg, dueAt: deps.clock.now(), reason }, source);
    deps.relay.adopt(lease, pending.settled, pending.hub);
    return { via: "spool", released: pending.settled.then(() => {}) };
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    const outcome = await pending.settled;
    if (outcome.kind !== "answered") throw error;
    return settle(deps, context, { ...one, result: { ...outcome, hub: pending.hub } });
  }
}

function strongest(vias: readonly Kept["via"][], held: boolean): "hub" | "spool" | "quarantine" {
  if (vias.includes("spool")) return "spool";
  if (vias.includes("hub")) return "hub";
  return held ? "quarantine" : "spool";
}

/** The client sends again: what stays held would be a copy too many. */
async function undo({ quarantine, facts, clock }: CarryOutDeps, holds: readonly Hold[]) {
  for (const { id: holdId, transactionId: id, envelope } of holds) {
    const by = "gateway";
    if (!(await quarantine.delete(holdId, by).catch(() => false))) continue;
    const recipients = envelope.recipients.map(({ address }) => address.spoken);
    facts.emit({ kind: "deleted", at: clock.now(), id, holdId, by, recipients });
  }
}
