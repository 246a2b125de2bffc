import { z } from "zod";
import type { Clock } from "../base/clock.ts";
import { parseTransactionId } from "../base/ids.ts";
import type { Cause } from "../pipeline/cause.ts";
import type { FactBus } from "../pipeline/facts.ts";
import type { Hold, HoldFilter, Quarantine } from "../quarantine/quarantine.ts";
import { by, parseArgs } from "./command-args.ts";
import { type ControlCommand, ControlError } from "./control.ts";

/** What a release came to. `refused` leaves the message as it was. */
export type ReleaseOutcome =
  | { readonly kind: "released"; readonly recipients: readonly string[] }
  | { readonly kind: "refused"; readonly reason: string };

export interface ReleaseOrder {
  /** Instead of the recipients of the envelope. */
  readonly to: string | null;
  readonly by: string;
  /** Also a message that was held for malware. */
  readonly force: boolean;
}

export interface QuarantineCommandDeps {
  readonly quarantine: Quarantine;
  /** Claims the hold and puts it into the spool, durably. Throws Unavailable. */
  readonly release: (id: string, order: ReleaseOrder) => Promise<ReleaseOutcome>;
  readonly facts: FactBus;
  readonly clock: Clock;
}

const MOST_ROWS = 10_000;
/** A transaction has one copy for each cause. */
const MOST_COPIES = 20;
const id = z.string();

const listArgs = z.strictObject({
  recipient: z.string().optional(),
  sender: z.string().optional(),
  cause: z.string().optional(),
  state: z.enum(["held", "released", "deleted"]).optional(),
  since: z.number().optional(),
  limit: z.int().min(1).max(MOST_ROWS),
});
const showArgs = z.strictObject({ id });
const releaseArgs = z.strictObject({ id, by, to: z.string().optional(), force: z.boolean() });
const deleteArgs = z.strictObject({ id, by });

/** Ids are those of holds, or of a transaction of which exactly one copy is held. */
export function createQuarantineCommands(
  deps: QuarantineCommandDeps,
): readonly (readonly [string, ControlCommand])[] {
  return [
    ["quarantine.list", (args) => list(deps, args)],
    ["quarantine.show", (args) => show(deps, args)],
    ["quarantine.release", (args) => release(deps, args)],
    ["quarantine.delete", (args) => remove(deps, args)],
    ["quarantine.stats", () => stats(deps)],
  ];
}

/** Holds, newest first. */
async function* list({ quarantine }: QuarantineCommandDeps, args: unknown) {
  const { recipient, sender, cause, state, since, limit } = parseArgs(listArgs, args);
  const filter: HoldFilter = {
    limit,
    ...(recipient && { recipient }),
    ...(sender && { sender }),
    // A cause that does not exist holds nothing.
    ...(cause && { cause: cause as Cause }),
    ...(state && { state }),
    ...(since !== undefined && { sinceMs: since }),
  };
  yield* await quarantine.list(filter);
}

/** The Hold. */
async function* show(deps: QuarantineCommandDeps, args: unknown) {
  yield await findHold(deps, parseArgs(showArgs, args).id);
}

/** `{id, transactionId, recipients}`: in the spool, delivered as soon as the hub takes it. */
async function* release(deps: QuarantineCommandDeps, args: unknown) {
  const order = parseArgs(releaseArgs, args);
  const hold = await findHold(deps, order.id);
  const { to = null, force } = order;
  const outcome = await deps.release(hold.id, { to, by: order.by, force });
  if (outcome.kind === "refused") throw new ControlError("refused", outcome.reason);
  yield { id: hold.id, transactionId: hold.transactionId, recipients: outcome.recipients };
}

/** `{id, transactionId}`. */
async function* remove(deps: QuarantineCommandDeps, args: unknown) {
  const order = parseArgs(deleteArgs, args);
  const hold = await findHold(deps, order.id);
  if (!(await deps.quarantine.delete(hold.id, order.by)))
    throw new ControlError("refused", "it was deleted before");
  deps.facts.emit({
    kind: "deleted",
    at: deps.clock.now(),
    id: hold.transactionId,
    holdId: hold.id,
    by: order.by,
    recipients: hold.envelope.recipients.map(({ address }) => address.spoken),
  });
  yield { id: hold.id, transactionId: hold.transactionId };
}

/** `{held, bytes}`. */
async function* stats({ quarantine }: QuarantineCommandDeps) {
  yield await quarantine.stats();
}

async function findHold({ quarantine }: QuarantineCommandDeps, text: string): Promise<Hold> {
  const transactionId = parseTransactionId(text);
  if (!transactionId) {
    const hold = await quarantine.find(text.trim().toUpperCase());
    if (hold) return hold;
    throw new ControlError("not-found", "no message with that id is held");
  }
  const copies = await quarantine.list({ transactionId, limit: MOST_COPIES });
  const held = copies.filter(({ state }) => state === "held");
  const [only, other] = held.length > 0 ? held : copies;
  if (!only) throw new ControlError("not-found", "no message with that id is held");
  if (!other) return only;
  throw new ControlError(
    "refused",
    `name one of its copies: ${copies.map((copy) => copy.id).join(", ")}`,
  );
}
