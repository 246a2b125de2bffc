import { z } from "zod";
import type { Clock } from "../base/clock.ts";
import type { FactBus } from "../pipeline/facts.ts";
import { readHeaders } from "../relay/read-headers.ts";
import type { Spool, SpoolItem } from "../spool/spool.ts";
import type { DeskResult, EntryStory, TakenEntry } from "../spool/spool-desk.ts";
import { by, parseArgs } from "./command-args.ts";
import { type ControlCommand, ControlError } from "./control.ts";
import { selectEntries, selectIds, selectorArgs } from "./queue-selection.ts";
import { countQueue } from "./queue-stats.ts";

export interface QueueCommandDeps {
  readonly spool: Pick<Spool, "list" | "desk">;
  /**
   * Tells the sender that it will not be delivered. Resolves when that is durable, with how: the
   * message is kept in quarantine where no bounce may be sent; `done`: nobody is to be told. Throws
   * Unavailable.
   */
  readonly tellSender: (taken: TakenEntry) => Promise<"bounced" | "quarantined" | "done">;
  /** Something is due earlier. */
  readonly wake: () => void;
  readonly facts: FactBus;
  readonly clock: Clock;
}

/** What became of one entry; `text` is what was asked for when there is none. */
export interface QueueOutcome {
  readonly id: string;
  readonly outcome:
    | Exclude<DeskResult["kind"], "active">
    | "active"
    | "after-attempt"
    | "bounced"
    | "quarantined";
}

/** Rows of one list. */
const MOST_ROWS = 100_000;
/** Ids of one order; a caller with more comes again. They fit into one request. */
const MOST_IDS = 1000;
/** Entries changed at once, so that they share their fsyncs. */
const AT_ONCE = 16;
/** A chunk of an exported message, before base64. */
const CHUNK_BYTES = 192 * 1024;

const ids = z.array(z.string()).min(1).max(MOST_IDS);
const listArgs = z.strictObject({ ...selectorArgs, limit: z.int().min(1).max(MOST_ROWS) });
const oneArgs = z.strictObject({ id: z.string() });
const orderArgs = z.strictObject({ ids, by });
const holdArgs = z.strictObject({ ids, by, note: z.string().max(500).optional() });
const dropArgs = z.strictObject({ ids, by, bounce: z.boolean() });

/** Ids are those of entries, or of a transaction: then all its entries are meant. */
export function createQueueCommands(
  deps: QueueCommandDeps,
): readonly (readonly [string, ControlCommand])[] {
  return [
    ["queue.list", (args) => list(deps, args)],
    ["queue.select", (args) => select(deps, args)],
    ["queue.show", (args) => show(deps, args)],
    ["queue.export", (args) => exportMessage(deps, args)],
    ["queue.stats", () => stats(deps)],
    ["queue.retry", (args) => retry(deps, args)],
    ["queue.hold", (args) => hold(deps, args)],
    ["queue.release", (args) => release(deps, args)],
    ["queue.drop", (args) => drop(deps, args)],
  ];
}

/** QueueRows, the oldest first. */
async function* list({ spool }: QueueCommandDeps, args: unknown) {
  const { limit, ...selector } = parseArgs(listArgs, args);
  let rows = 0;
  for await (const row of selectEntries(spool, selector)) {
    yield row;
    rows += 1;
    if (rows === limit) return;
  }
}

/** `{id, state}` of all that fit. */
async function* select({ spool }: QueueCommandDeps, args: unknown) {
  const selector = parseArgs(z.strictObject(selectorArgs), args);
  yield* selectIds(spool, selector);
}

/** All about one entry: QueueRow, `history`, `headers`. */
async function* show(deps: QueueCommandDeps, args: unknown) {
  const { item, state, dueAt, history, source } = await findStory(
    deps,
    parseArgs(oneArgs, args).id,
  );
  const headers = (await readHeaders(source)).toString("latin1");
  yield { ...item, state, dueAt, history, headers };
}

/** The QueueRow, then `{chunk}` in base64 until all octets are told. */
async function* exportMessage(deps: QueueCommandDeps, args: unknown) {
  const { item, state, dueAt, source } = await findStory(deps, parseArgs(oneArgs, args).id);
  yield { ...item, state, dueAt };
  let waiting: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of source.read()) {
    waiting.push(chunk);
    bytes += chunk.length;
    if (bytes < CHUNK_BYTES) continue;
    yield { chunk: Buffer.concat(waiting).toString("base64") };
    waiting = [];
    bytes = 0;
  }
  if (bytes > 0) yield { chunk: Buffer.concat(waiting).toString("base64") };
}

async function findStory({ spool }: QueueCommandDeps, text: string): Promise<EntryStory> {
  const [id, ...others] = spool.desk.find(text);
  if (id !== undefined && others.length > 0)
    throw new ControlError("refused", `name one of its entries: ${[id, ...others].join(", ")}`);
  const story = id === undefined ? null : await spool.desk.read(id);
  if (!story) throw new ControlError("not-found", `nothing waits under ${text}`);
  return story;
}

/** A QueueCount. */
async function* stats({ spool, clock }: QueueCommandDeps) {
  await spool.desk.allRead();
  yield countQueue(spool.list(), clock.now());
}

async function* retry(deps: QueueCommandDeps, args: unknown) {
  const order = parseArgs(orderArgs, args);
  const { desk } = deps.spool;
  const at = deps.clock.now();
  yield* forEach(deps, order.ids, async (id) => {
    const result = await desk.retry(id, { at });
    // It was held, or nothing would have changed in its file.
    if (result.kind === "done") tell(deps, "queue-released", result.item, order.by);
    return outcomeOf(id, result);
  });
  deps.wake();
}

async function* hold(deps: QueueCommandDeps, args: unknown) {
  const { ids: asked, by: who, note = "" } = parseArgs(holdArgs, args);
  const order = { by: who, reason: note, at: deps.clock.now() };
  yield* forEach(deps, asked, async (id) => {
    const result = await deps.spool.desk.hold(id, order);
    if (result.kind === "done") tell(deps, "queue-held", result.item, who, note);
    return outcomeOf(id, result);
  });
}

async function* release(deps: QueueCommandDeps, args: unknown) {
  const order = parseArgs(orderArgs, args);
  const at = deps.clock.now();
  yield* forEach(deps, order.ids, async (id) => {
    const result = await deps.spool.desk.release(id, { at });
    if (result.kind === "done") tell(deps, "queue-released", result.item, order.by);
    return outcomeOf(id, result);
  });
  deps.wake();
}

async function* drop(deps: QueueCommandDeps, args: unknown) {
  const order = parseArgs(dropArgs, args);
  yield* forEach(deps, order.ids, (id) => dropOne(deps, id, order));
  deps.wake();
}

/** The sender is told first: a crash in between leaves it in the queue, and not without a word. */
async function dropOne(
  deps: QueueCommandDeps,
  id: string,
  order: z.infer<typeof dropArgs>,
): Promise<QueueOutcome> {
  const taken = await deps.spool.desk.take(id);
  if (taken.kind !== "taken") return outcomeOf(id, taken);
  try {
    const outcome = order.bounce ? await deps.tellSender(taken) : "done";
    await taken.remove();
    tell(deps, "queue-dropped", taken.item, order.by, WORDS[outcome]);
    return { id, outcome };
  } catch (error) {
    taken.putBack();
    throw error;
  }
}

const WORDS = {
  done: "without a bounce",
  bounced: "with a bounce",
  quarantined: "kept in quarantine, as no bounce may be sent",
} as const;

/** A few at a time; the first error ends it, and what was done stays done. */
async function* forEach(
  { spool }: QueueCommandDeps,
  texts: readonly string[],
  work: (id: string) => Promise<QueueOutcome>,
): AsyncGenerator<QueueOutcome> {
  const found = texts.map((text) => ({ text, ids: spool.desk.find(text) }));
  for (const { text, ids } of found) if (ids.length === 0) yield { id: text, outcome: "not-found" };
  const all = [...new Set(found.flatMap(({ ids }) => ids))];
  for (let at = 0; at < all.length; at += AT_ONCE) {
    const ends = await Promise.allSettled(all.slice(at, at + AT_ONCE).map(work));
    for (const end of ends) if (end.status === "fulfilled") yield end.value;
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  }
}

function outcomeOf(id: string, result: DeskResult): QueueOutcome {
  if (result.kind !== "active") return { id, outcome: result.kind };
  return { id, outcome: result.willHold ? "after-attempt" : "active" };
}

function tell(
  { facts, clock }: QueueCommandDeps,
  kind: "queue-held" | "queue-released" | "queue-dropped",
  item: SpoolItem | null,
  who: string,
  reason = "",
): void {
  if (!item) return;
  const { id: entry, transactionId: id, envelope } = item;
  const recipients = envelope.recipients.map(({ address }) => address.spoken);
  facts.emit({ kind, at: clock.now(), id, entry, by: who, reason, recipients });
}
