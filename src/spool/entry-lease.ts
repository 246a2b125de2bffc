import { createTurns } from "../base/turns.ts";
import { appendLeft, toEntrySource } from "./entry-file.ts";
import { applyLeft, type Entry, type Left, toLeft, toPlaces } from "./entry-format.ts";
import { type AttemptLeft, type HoldOrder, MAX_CRASHES, type SpoolLease } from "./spool.ts";
import { forgetEntry, keepEntry, pathOf } from "./spool-slot.ts";
import type { SpoolState } from "./spool-state.ts";

/** What else may happen to an entry while it is leased. */
export interface EntryUnderWay {
  /**
   * To be held when its attempt is over, be it by a crash; null: no longer. Durable when it resolves.
   * False: the attempt is over already.
   */
  order(order: HoldOrder | null): Promise<boolean>;
  /** The spool is closed: puts it where the next start finds it, as after no crash. */
  leave(): Promise<void>;
}

/**
 * The right to deliver an entry that lies in active/. When `remove` or `retry` throws, the lease is
 * still held and either may be called again; once one of them has resolved, calling another is a bug.
 * What they and an operator's orders write is written one after the other.
 */
export function createEntryLease(state: SpoolState, entry: Entry): SpoolLease {
  const { id } = entry.item;
  const path = pathOf(state, toSlot(id, "active"));
  const leased: Leased = { path, entry, order: null, isFree: false };
  const inTurn = createTurns();
  state.underWay.set(id, {
    order: (order) => inTurn(() => takeOrder(state, leased, order)),
    leave: () => inTurn(() => leave(state, leased)),
  });
  return {
    item: entry.item,
    source: toEntrySource(state.io, path, entry),
    remove: () => inTurn(() => remove(state, leased)),
    retry: (left) => inTurn(() => retry(state, leased, left)),
  };
}

interface Leased {
  readonly path: string;
  /** Its item is that of the lease, the rest as its file is now. */
  entry: Entry;
  order: HoldOrder | null;
  isFree: boolean;
}

function demandHeld({ closed }: SpoolState, { entry, isFree }: Leased): void {
  if (isFree) throw new Error(`the lease of ${entry.item.id} has ended`);
  if (closed) throw new Error("the spool is closed");
}

function free(state: SpoolState, leased: Leased): void {
  leased.isFree = true;
  state.underWay.delete(leased.entry.item.id);
}

async function append({ io }: SpoolState, leased: Leased, record: Left): Promise<void> {
  const { path, entry } = leased;
  const end = await appendLeft(io, path, entry, record);
  leased.entry = { ...entry, last: record, end };
}

async function takeOrder(
  state: SpoolState,
  leased: Leased,
  order: HoldOrder | null,
): Promise<boolean> {
  if (leased.isFree) return false;
  demandHeld(state, leased);
  if (order === null && leased.order === null) return true;
  await append(state, leased, toOrderRecord(leased.entry, order, state.clock.now()));
  leased.order = order;
  // Nothing else waits for its move into active/, and in due/ the order would mean nothing.
  await Promise.all([state.sync.due(), state.sync.active()]);
  return true;
}

async function leave(state: SpoolState, { path, entry, order, isFree }: Leased): Promise<void> {
  if (isFree) return;
  await state.io.rename(path, pathOf(state, toSlot(entry.item.id, order ? "held" : "due")));
}

async function remove(state: SpoolState, leased: Leased): Promise<void> {
  demandHeld(state, leased);
  await state.io.remove(leased.path);
  forgetEntry(state, leased.entry.item.id);
  free(state, leased);
  // Gone for this process. Durable it must be only against a delivery too many.
  await state.sync.active().catch(() => {});
}

/**
 * The record is durable before the rename, so that the rename itself need not be: wherever a crash
 * leaves the file, `recover` makes of it what the record says.
 */
async function retry(state: SpoolState, leased: Leased, left: AttemptLeft): Promise<void> {
  demandHeld(state, leased);
  const { path, entry, order } = leased;
  const { item, allRecipients } = entry;
  const record = toRecordOf(entry, left, order, state.clock.now());
  await append(state, leased, record);
  const where = record.held ? "held" : "due";
  await state.io.rename(path, pathOf(state, toSlot(item.id, where)));
  free(state, leased);
  const now = applyLeft(item, allRecipients, record);
  keepEntry(state, now, where, { isUnreached: left.isUnreached ?? false });
  if (!record.held) return;
  state.onHeld(now, record.held);
  await state.sync.held().catch(() => {});
}

function toSlot(id: string, state: "due" | "active" | "held") {
  return { id, state, dueAt: 0, known: null };
}

/** An attempt that ended by itself shows that the entry kills nobody: its crashes are forgotten. */
function toRecordOf(
  entry: Entry,
  { recipients, dueAt, reason, hasCrashed, delayTold = entry.item.delayTold }: AttemptLeft,
  order: HoldOrder | null,
  now: number,
): Left {
  const crashes = hasCrashed ? (entry.item.crashes ?? 0) + 1 : 0;
  const held = crashes >= MAX_CRASHES ? toPoisonOrder(crashes, now) : order;
  return {
    recipients: toPlaces(entry, recipients),
    dueAt,
    attempts: entry.item.attempts + 1,
    reason,
    at: now,
    ...(crashes > 0 && { crashes }),
    ...(held && { held }),
    ...(delayTold && { delayTold }),
  };
}

/** What is left did not change: the attempt goes on. */
function toOrderRecord(entry: Entry, order: HoldOrder | null, at: number): Left {
  const { held: _, ...left } = toLeft(entry, { at });
  return order ? { ...left, held: order } : left;
}

/** Who holds what its process died with. */
export function toPoisonOrder(crashes: number, at: number): HoldOrder {
  const reason = `its process died ${crashes} times while delivering it`;
  return { by: "postern", reason, at };
}
