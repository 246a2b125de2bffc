import { z } from "zod";
import { parseTransactionId, type TransactionId } from "../base/ids.ts";
import type { Spool } from "../spool/spool.ts";
import type { Tracking } from "../tracking/tracking.ts";
import { parseArgs } from "./command-args.ts";
import { type ControlCommand, type ControlCommands, ControlError } from "./control.ts";
import { createDnsblCommands } from "./dnsbl-commands.ts";
import { createQuarantineCommands, type QuarantineCommandDeps } from "./quarantine-commands.ts";
import { createQueueCommands, type QueueCommandDeps } from "./queue-commands.ts";

export interface StoreCommandDeps extends QuarantineCommandDeps, QueueCommandDeps {
  readonly tracking: Tracking;
  readonly spool: Pick<Spool, "list" | "stats" | "desk">;
  /** Told by `status`: version, policy, whatever the owner knows of itself. */
  readonly about: () => Readonly<Record<string, unknown>>;
}

/** Rows of one search; more is a job for a program that reads the files of a backup. */
const MOST_ROWS = 10_000;

/**
 * What the stores can be asked and told, by name. A running gateway serves the map on its control
 * socket, a command that found none runs the same map itself. Answers are documented in docs/.
 */
export function createStoreCommands(deps: StoreCommandDeps): ControlCommands {
  return new Map<string, ControlCommand>([
    ["status", () => status(deps)],
    ["explain", (args) => explain(deps, args)],
    ["trace", (args) => trace(deps, args)],
    ...createQueueCommands(deps),
    ...createQuarantineCommands(deps),
    ...createDnsblCommands(deps),
  ]);
}

async function* status({ tracking, quarantine, spool, about }: StoreCommandDeps) {
  yield {
    ...about(),
    quarantine: await quarantine.stats(),
    spool: spool.stats(),
    tracking: { lost: tracking.lost() },
  };
}

const explainArgs = z.strictObject({ id: z.string() });

/** A TransactionStory; the id may be that of a held copy. */
async function* explain(deps: StoreCommandDeps, args: unknown) {
  const { id } = parseArgs(explainArgs, args);
  const story = await deps.tracking.explain(await toTransactionId(deps, id));
  if (!story) throw new ControlError("not-found", `nothing is stored about ${id}`);
  yield story;
}

async function toTransactionId(
  { quarantine }: StoreCommandDeps,
  id: string,
): Promise<TransactionId> {
  const transactionId = parseTransactionId(id);
  if (transactionId) return transactionId;
  const hold = await quarantine.find(id.trim().toUpperCase());
  if (!hold)
    throw new ControlError("not-found", "that is no id of a transaction or a held message");
  return hold.transactionId;
}

const traceArgs = z.strictObject({
  from: z.string().optional(),
  to: z.string().optional(),
  subject: z.string().optional(),
  ip: z.string().optional(),
  since: z.number(),
  limit: z.int().min(1).max(MOST_ROWS),
});

/** TraceRows, newest first. */
async function* trace({ tracking }: StoreCommandDeps, args: unknown) {
  const { from, to, subject, ip, since, limit } = parseArgs(traceArgs, args);
  yield* await tracking.trace({
    since,
    limit,
    ...(from && { from }),
    ...(to && { to }),
    ...(subject && { subject }),
    ...(ip && { ip }),
  });
}
