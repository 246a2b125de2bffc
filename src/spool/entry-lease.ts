import { join } from "node:path";
import { appendLeft } from "./entry-file.ts";
import { applyLeft, type Entry, type Left } from "./entry-format.ts";
import type { SpoolLease } from "./spool.ts";
import type { SpoolState } from "./spool-state.ts";

/**
 * The end of a lease. When `remove` or `retry` throws, the lease is still held and either may be
 * called again; once one of them has resolved, calling another is a bug.
 */
export function createEntryLease(
  state: SpoolState,
  entry: Entry,
  path: string,
): Pick<SpoolLease, "remove" | "retry"> {
  const { io, folders, entries, active, queue } = state;
  const { id } = entry.item;
  let end = entry.end;
  let isFree = false;
  const demandHeld = () => {
    if (isFree) throw new Error(`the lease of ${id} has ended`);
  };
  const free = () => {
    isFree = true;
    active.delete(id);
  };
  return {
    async remove() {
      demandHeld();
      await io.remove(path);
      entries.delete(id);
      state.bytes -= entry.item.bytes;
      free();
      // Gone for this process. Durable it must be only against a delivery too many.
      await state.syncActive().catch(() => {});
    },
    /** The record is durable before the rename, so that the rename itself need not be: wherever a
     * crash leaves the file, `recover` finds it due. */
    async retry(left) {
      demandHeld();
      const delayTold = left.delayTold || entry.item.delayTold;
      const record: Left = {
        recipients: toPlaces(entry, left.recipients),
        dueAt: left.dueAt,
        attempts: entry.item.attempts + 1,
        reason: left.reason,
        ...(delayTold && { delayTold }),
      };
      end = await appendLeft(io, path, { ...entry, end }, record);
      await io.rename(path, join(folders.due, id));
      const item = applyLeft(entry.item, entry.allRecipients, record);
      entries.set(id, { ...entry, item, end });
      free();
      queue.push(id, left.dueAt);
    },
  };
}

/** By identity first: one address may stand there twice. */
function toPlaces(entry: Entry, recipients: Entry["allRecipients"]): readonly number[] {
  const taken = new Set<number>();
  return recipients.map((wanted) => {
    const place = entry.allRecipients.findIndex(
      (known, at) => !taken.has(at) && known.address.spoken === wanted.address.spoken,
    );
    if (place < 0) throw new Error(`${entry.item.id} has no recipient ${wanted.address.spoken}`);
    taken.add(place);
    return place;
  });
}
