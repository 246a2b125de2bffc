import { z } from "zod";
import type { Clock } from "../base/clock.ts";
import { parseTransactionId } from "../base/ids.ts";
import type { Log } from "../base/log.ts";
import type { FileException } from "../policy/file-exception.ts";
import type { Reputation } from "../reputation/reputation.ts";
import { exceptionKey } from "../stages/access/entry-key.ts";
import { exceptionFor } from "../stages/access/exception-for.ts";
import { senderSchema } from "../stages/access/sender-entries.ts";
import { exceptionFault, type NewException, toStored } from "../stages/access/stored-exception.ts";
import type { Tracking } from "../tracking/tracking.ts";
import { answered } from "./answered.ts";
import { by, parseArgs } from "./command-args.ts";
import { type ControlCommand, ControlError } from "./control.ts";
import { type FileRow, toFileRow, toMadeRow } from "./exception-rows.ts";

export interface ExceptionCommandDeps {
  readonly reputation: Pick<Reputation, "exceptions" | "fileEntries" | "flush">;
  readonly tracking: Pick<Tracking, "explain">;
  /** Spam stages, which a scope may name. */
  readonly scopes: readonly string[];
  /** Those of `access.yaml`; null: there is no policy that can be used. */
  readonly inFile: () => Promise<readonly FileException[] | null>;
  readonly log: Log;
  readonly clock: Clock;
}

/** Each is looked at for every message; more is a matter for a list on DNS. */
const MAX_EXCEPTIONS = 5000;
const HOUR_MS = 3_600_000;
/** Nobody remembers in ten years why it is there; access.yaml has entries without an end. */
const MAX_LIFE_MS = 3650 * 24 * HOUR_MS;

const list = z.enum(["allow", "block"]);
const addArgs = z.strictObject({
  list,
  client: z.string().max(100).optional(),
  sender: senderSchema.optional(),
  /** A transaction: whom it was from, and what refused it. */
  fromMessage: z.string().max(100).optional(),
  scope: z.array(z.string().max(64)).min(1).max(50).optional(),
  authenticated: z.boolean().optional(),
  reason: z.string().trim().min(1).max(500),
  lifeMs: z.number().min(HOUR_MS).max(MAX_LIFE_MS),
  by,
});
const listArgs = z.strictObject({ list, unused: z.boolean() });
const removeArgs = z.strictObject({ list, id: z.string().min(1).max(64), by });

export function createExceptionCommands(
  deps: ExceptionCommandDeps,
): readonly (readonly [string, ControlCommand])[] {
  return [
    ["exception.add", (args) => add(deps, args)],
    ["exception.list", (args) => listAll(deps, args)],
    ["exception.remove", (args) => remove(deps, args)],
  ];
}

/** The MadeRow, in force within a second. */
async function* add(deps: ExceptionCommandDeps, args: unknown) {
  const { lifeMs, fromMessage, ...order } = parseArgs(addArgs, args);
  const proposed = fromMessage === undefined ? {} : await propose(deps, order.list, fromMessage);
  const whom = order.client || order.sender ? {} : proposed.whom;
  const scope = order.scope ?? proposed.scope;
  const exception: NewException = { ...order, ...whom, ...(scope && { scope }) };
  refuse(deps, exception);
  const { exceptions } = deps.reputation;
  const key = exceptionKey(exception);
  const known = answered(await exceptions.list());
  if (known.length >= MAX_EXCEPTIONS && !known.some((entry) => entry.key === key))
    throw new ControlError("refused", `there are ${MAX_EXCEPTIONS}: remove unused ones first`);
  const until = deps.clock.now() + lifeMs;
  answered(await exceptions.put({ key, value: toStored(exception), until }));
  const [entry] = answered(await exceptions.get([key]));
  const row = entry && toMadeRow(entry);
  if (!row) throw new ControlError("failed", "what was stored cannot be read");
  deps.log.info("exception-added", { ...row });
  yield row;
}

interface Proposal {
  readonly whom?: Pick<NewException, "client" | "sender">;
  readonly scope?: readonly string[] | undefined;
}

async function propose(
  { tracking }: ExceptionCommandDeps,
  list: NewException["list"],
  text: string,
): Promise<Proposal> {
  const id = parseTransactionId(text);
  const record = id && (await tracking.explain(id))?.record;
  if (!record) throw new ControlError("not-found", `nothing is stored about ${text}`);
  const proposal = exceptionFor(record, list);
  if (proposal.kind === "refused") throw new ControlError("refused", proposal.reason);
  return { whom: proposal.whom, scope: proposal.scope };
}

function refuse({ scopes }: ExceptionCommandDeps, exception: NewException): void {
  if (exception.list === "block" && exception.scope)
    throw new ControlError("bad-request", "a block has no scope: it refuses");
  if (exception.list === "block" && exception.authenticated !== undefined)
    throw new ControlError("bad-request", "a block needs no proof of the sender");
  const strange = exception.scope?.find((name) => !scopes.includes(name));
  if (strange !== undefined)
    throw new ControlError(
      "bad-request",
      `scope: ${strange} is no spam check of this gateway; expected ${scopes.join(", ")}`,
    );
  const fault = exceptionFault(exception);
  if (fault !== null) throw new ControlError("bad-request", fault);
}

/** ExceptionRows in force: those by command, the latest first, then those of the file in its order. */
async function* listAll(deps: ExceptionCommandDeps, args: unknown) {
  const wanted = parseArgs(listArgs, args);
  const { reputation } = deps;
  await reputation.flush();
  const made = answered(await reputation.exceptions.list()).map(toMadeRow);
  const inFile = await listFile(deps);
  for (const row of [...made, ...inFile])
    if (row?.list === wanted.list && !(wanted.unused && row.hits > 0)) yield row;
}

async function listFile({
  inFile,
  reputation,
  clock,
}: ExceptionCommandDeps): Promise<readonly FileRow[]> {
  const entries = await inFile();
  if (entries === null)
    throw new ControlError("unavailable", "the policies cannot be used: postern check says why");
  const uses = new Map(answered(await reputation.fileEntries.list()).map((use) => [use.key, use]));
  const now = clock.now();
  return entries
    .filter(({ endsAt }) => endsAt === null || endsAt > now)
    .map((entry) => toFileRow(entry, uses.get(entry.fileKey)));
}

/** The MadeRow that is no more. */
async function* remove(deps: ExceptionCommandDeps, args: unknown) {
  const { list: wanted, id, by: who } = parseArgs(removeArgs, args);
  const [entry] = answered(await deps.reputation.exceptions.get([id]));
  const row = entry && toMadeRow(entry);
  if (row?.list !== wanted)
    throw new ControlError("not-found", `no ${wanted} entry ${id} was made by command`);
  answered(await deps.reputation.exceptions.remove(id));
  deps.log.info("exception-removed", { ...row, removedBy: who });
  yield row;
}
