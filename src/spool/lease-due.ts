import { join } from "node:path";
import { readEntry, verifyEntry } from "./entry-file.ts";
import { CorruptEntry, type Entry } from "./entry-format.ts";
import { createEntryLease } from "./entry-lease.ts";
import type { LeaseGate, SpoolLease } from "./spool.ts";
import { keepEntry, READ_AGAIN_MS, readUnread, setAside } from "./spool-slot.ts";
import type { SpoolState } from "./spool-state.ts";

/** Files read in search of something that may be leased, before others get their turn. */
const MOST_READS = 64;

export const OPEN_GATE: LeaseGate = {
  closedBy: () => null,
  isClosed: () => false,
  restsUntil: () => null,
  took() {},
};

/** Leases what is due. An entry of which only the name is known is read when nothing else is left. */
export async function leaseDue(
  state: SpoolState,
  now: number,
  limit: number,
  gate: LeaseGate,
): Promise<readonly SpoolLease[]> {
  const leases: SpoolLease[] = [];
  for (let reads = 0; leases.length < limit && reads < MOST_READS; ) {
    const id = state.order.pick(now, gate);
    if (id === null) {
      // What somebody else is reading has no place in the order yet.
      const [unread] = [...state.unread.keys().take(1), ...state.beingRead.keys().take(1)];
      if (unread === undefined) break;
      reads += 1;
      await readUnread(state, unread);
      continue;
    }
    try {
      const lease = await leaseEntry(state, id, now);
      if (!lease) continue;
      leases.push(lease);
      gate.took(lease.item.envelope.recipients[0]?.address.domain ?? "");
    } catch (error) {
      if (leases.length === 0) throw error;
      break;
    }
  }
  return leases;
}

/** Null when it is damaged. Until it is leased or put off, an operator's order waits. */
function leaseEntry(state: SpoolState, id: string, now: number): Promise<SpoolLease | null> {
  const lease = async () => {
    try {
      const entry = await activate(state, id);
      return entry && createEntryLease(state, entry);
    } catch (error) {
      putOff(state, id, now + READ_AGAIN_MS);
      throw error;
    } finally {
      state.activating.delete(id);
    }
  };
  const work = lease();
  state.activating.set(id, work);
  return work;
}

/** Moves an entry to active/ and looks at every octet; null when it is damaged and set aside. */
async function activate(state: SpoolState, id: string): Promise<Entry | null> {
  const { io, folders } = state;
  const slot = state.entries.get(id);
  if (!slot) return null;
  state.entries.set(id, { ...slot, state: "active" });
  const path = join(folders.active, id);
  await io.rename(join(folders.due, id), path);
  try {
    const entry = await readEntry(io, path, id);
    await verifyEntry(io, path, entry);
    keepEntry(state, entry.item, "active");
    return entry;
  } catch (error) {
    if (error instanceof CorruptEntry) {
      await setAside(state, id, path, error);
      return null;
    }
    await io.rename(path, join(folders.due, id));
    throw error;
  }
}

function putOff(state: SpoolState, id: string, dueAt: number): void {
  const slot = state.entries.get(id);
  if (!slot) return;
  state.entries.set(id, { ...slot, state: "due", dueAt });
  state.order.push(id, dueAt);
}
