import { appendLeft, toEntrySource } from "./entry-file.ts";
import { applyLeft, type Entry, type Left, toPlaces } from "./entry-format.ts";
import { type AttemptLeft, type HoldOrder, MAX_CRASHES, type SpoolLease } from "./spool.ts";
import { forgetEntry, keepEntry, pathOf } from "./spool-slot.ts";
import type { SpoolState } from "./spool-state.ts";

/**
 * The right to deliver an entry that lies in active/. When `remove` or `retry` throws, the lease is
 * still held and either may be called again; once one of them has resolved, calling another is a bug.
 */
export function createEntryLease(state: SpoolState, entry: Entry): SpoolLease {
  const { io } = state;
  const { id } = entry.item;
  const path = pathOf(state, toSlot(id, "active"));
  let end = entry.end;
  let isFree = false;
  const demandHeld = () => {
    if (isFree) throw new Error(`the lease of ${id} has ended`);
    if (state.closed) throw new Error("the spool is closed");
  };
  /** The record is durable before the rename, so that the rename itself need not be: wherever a
   * crash leaves the file, `recover` finds it due. */
  const endWith = async (left: AttemptLeft) => {
    demandHeld();
    const record = toRecordOf(entry, left, state);
    end = await appendLeft(io, path, { ...entry, end }, record);
    const where = record.held ? "held" : "due";
    await io.rename(path, pathOf(state, toSlot(id, where)));
    isFree = true;
    state.holdOrders.delete(id);
    const item = applyLeft(entry.item, entry.allRecipients, record);
    keepEntry(state, item, where, { isUnreached: left.isUnreached ?? false });
    if (!record.held) return;
    state.onHeld(item, record.held);
    // What a crash of the machine brings back from active/ is held one crash later.
    await state.sync.held().catch(() => {});
  };
  return {
    item: entry.item,
    source: toEntrySource(io, path, entry),
    async remove() {
      demandHeld();
      await io.remove(path);
      forgetEntry(state, id);
      isFree = true;
      // Gone for this process. Durable it must be only against a delivery too many.
      await state.sync.active().catch(() => {});
    },
    retry(left) {
      const work = endWith(left).finally(() => state.ending.delete(id));
      state.ending.set(id, work);
      return work;
    },
  };
}

function toSlot(id: string, state: "due" | "active" | "held") {
  return { id, state, dueAt: 0, known: null };
}

/** An attempt that ended by itself shows that the entry kills nobody: its crashes are forgotten. */
function toRecordOf(
  entry: Entry,
  { recipients, dueAt, reason, hasCrashed, delayTold = entry.item.delayTold }: AttemptLeft,
  { clock, holdOrders }: SpoolState,
): Left {
  const now = clock.now();
  const crashes = hasCrashed ? (entry.item.crashes ?? 0) + 1 : 0;
  const held = crashes >= MAX_CRASHES ? toPoisonOrder(crashes, now) : holdOrders.get(entry.item.id);
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

/** Who holds what its process died with. */
export function toPoisonOrder(crashes: number, at: number): HoldOrder {
  const reason = `its process died ${crashes} times while delivering it`;
  return { by: "postern", reason, at };
}
