import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { errorText, Unavailable } from "../base/errors.ts";
import type { MessageSource } from "../mail/message.ts";
import { readEntry, toEntrySource, verifyEntry, writeEntry } from "./entry-file.ts";
import { CorruptEntry, type Entry } from "./entry-format.ts";
import { createEntryLease } from "./entry-lease.ts";
import { recoverEntries } from "./recover-entries.ts";
import type { NewSpoolItem, Spool, SpoolLease, SpoolStats } from "./spool.ts";
import { createSpoolState, type SpoolOptions, type SpoolState } from "./spool-state.ts";

/** See the contract for the states. What it knows of its entries is kept in memory. */
export function createDiskSpool(options: SpoolOptions): Spool {
  const state = createSpoolState(options);
  const guard = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      if (error instanceof Unavailable) throw error;
      throw new Unavailable("spool", errorText(error), { cause: error });
    }
  };
  return {
    recover: (beside = false) => guard(() => recoverEntries(state, beside)),
    add: (item, source) =>
      guard(async () => {
        const entry = await promise(state, item, source, "due");
        keep(state, entry);
        state.queue.push(entry.item.id, entry.item.dueAt);
        return entry.item;
      }),
    addLeased: (item, source) =>
      guard(async () => {
        const entry = await promise(state, item, source, "active");
        keep(state, entry);
        return toLease(state, entry, guard);
      }),
    adopt: (draft, id, leased) => guard(() => adopt(state, draft, id, leased, guard)),
    leaseDue: (now, limit) => guard(() => leaseDue(state, now, limit, guard)),
    nextDueAt: () => state.queue.nextDueAt(),
    list: () => [...state.entries.values()].map((entry) => entry.item),
    stats: () => toStats(state),
  };
}

/** fsync(file), rename, fsync(folder): durable when it resolves, and nowhere when it throws. */
async function promise(
  state: SpoolState,
  item: NewSpoolItem,
  source: MessageSource,
  where: "due" | "active",
): Promise<Entry> {
  const { io, folders } = state;
  if (!(await state.hasSpace(source.size))) throw new Unavailable("spool", "too little free disk");
  const id = `${item.transactionId}-${randomBytes(4).toString("hex")}`;
  const draft = join(folders.incoming, id);
  const entry = await writeEntry(io, draft, { v: 1, id, bytes: source.size, item }, source);
  await moveIn(state, draft, id, where);
  return entry;
}

async function moveIn(
  { io, folders, syncDue, syncActive }: SpoolState,
  draft: string,
  id: string,
  where: "due" | "active",
): Promise<void> {
  const home = join(folders[where], id);
  try {
    await io.rename(draft, home);
    await (where === "due" ? syncDue() : syncActive());
  } catch (error) {
    // The client will hear 451 and send again: what stays behind would be delivered twice.
    for (const path of [draft, home]) await io.remove(path).catch(() => {});
    throw error;
  }
}

async function adopt(
  state: SpoolState,
  draft: string,
  id: string,
  leased: boolean,
  guard: Guard,
): Promise<SpoolLease | null> {
  // The process before this one made the promise and died before it said so: it is due.
  if (!leased && state.entries.has(id)) return null;
  const path = join(state.folders.incoming, draft);
  const entry = await readEntry(state.io, path, id);
  await moveIn(state, path, id, leased ? "active" : "due");
  keep(state, entry);
  if (leased) return toLease(state, entry, guard);
  state.queue.push(id, entry.item.dueAt);
  return null;
}

function keep(state: SpoolState, entry: Entry): void {
  state.entries.set(entry.item.id, entry);
  state.bytes += entry.item.bytes;
}

/** An entry that cannot be read just now must not stand in front of the others. */
const READ_AGAIN_MS = 60_000;

type Guard = <T>(work: () => Promise<T>) => Promise<T>;

async function leaseDue(
  state: SpoolState,
  now: number,
  limit: number,
  guard: Guard,
): Promise<readonly SpoolLease[]> {
  const leases: SpoolLease[] = [];
  while (leases.length < limit) {
    const id = state.queue.pop(now);
    const entry = id === null ? undefined : state.entries.get(id);
    if (!entry) break;
    try {
      const isWhole = await activate(state, entry);
      if (isWhole) leases.push(toLease(state, entry, guard));
    } catch (error) {
      state.queue.push(entry.item.id, now + READ_AGAIN_MS);
      if (leases.length === 0) throw error;
      break;
    }
  }
  return leases;
}

/** Moves an entry to active/ and looks at every octet; false when it is damaged and set aside. */
async function activate(state: SpoolState, entry: Entry): Promise<boolean> {
  const { io, folders, log } = state;
  const { id, bytes } = entry.item;
  const path = join(folders.active, id);
  await io.rename(join(folders.due, id), path);
  try {
    await verifyEntry(io, path, entry);
    return true;
  } catch (error) {
    const isDamaged = error instanceof CorruptEntry;
    await io.rename(path, join(isDamaged ? folders.corrupt : folders.due, id));
    if (!isDamaged) throw error;
    state.entries.delete(id);
    state.bytes -= bytes;
    state.corrupt += 1;
    log.error("spool-entry-corrupt", { entry: id, reason: error.message });
    return false;
  }
}

function toLease(state: SpoolState, entry: Entry, guard: Guard): SpoolLease {
  const { io, folders, active } = state;
  const { id } = entry.item;
  const path = join(folders.active, id);
  active.add(id);
  const lease = createEntryLease(state, entry, path);
  return {
    item: entry.item,
    source: toEntrySource(io, path, entry),
    remove: () => guard(lease.remove),
    retry: (left) => guard(() => lease.retry(left)),
  };
}

function toStats(state: SpoolState): SpoolStats {
  const { entries, active, bytes, corrupt } = state;
  let oldestAt: number | null = null;
  for (const { item } of entries.values()) {
    if (oldestAt === null || item.receivedAt < oldestAt) oldestAt = item.receivedAt;
  }
  return { due: entries.size - active.size, active: active.size, bytes, corrupt, oldestAt };
}
