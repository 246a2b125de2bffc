import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { errorText, Unavailable } from "../base/errors.ts";
import type { MessageSource } from "../mail/message.ts";
import { createDiskDesk } from "./disk-desk.ts";
import { readEntry, writeEntry } from "./entry-file.ts";
import type { Entry } from "./entry-format.ts";
import { createEntryLease } from "./entry-lease.ts";
import { leaseDue, OPEN_GATE } from "./lease-due.ts";
import { readAllUnread, receivedAtOf, recoverEntries } from "./recover-entries.ts";
import type { NewSpoolItem, Spool, SpoolLease, SpoolStats } from "./spool.ts";
import type { SpoolDesk } from "./spool-desk.ts";
import { keepEntry } from "./spool-slot.ts";
import { createSpoolState, type SpoolOptions, type SpoolState } from "./spool-state.ts";

type Guard = <T>(work: () => Promise<T>) => Promise<T>;

/** See the contract for the states. Of its entries it keeps in memory what due-order.ts needs. */
export function createDiskSpool(options: SpoolOptions): Spool {
  const state = createSpoolState(options);
  const guard: Guard = async (work) => {
    try {
      return await work();
    } catch (error) {
      if (error instanceof Unavailable) throw error;
      throw new Unavailable("spool", errorText(error), { cause: error });
    }
  };
  const guarded = (lease: SpoolLease) => guardLease(lease, guard);
  return {
    recover: (beside = false) =>
      guard(async () => {
        const report = await recoverEntries(state, beside);
        state.reading = readAllUnread(state);
        return report;
      }),
    add: (item, source) => guard(async () => (await promise(state, item, source, "due")).item),
    addLeased: (item, source) =>
      guard(async () =>
        guarded(createEntryLease(state, await promise(state, item, source, "active"))),
      ),
    adopt: (draft, id, leased) =>
      guard(async () => {
        const entry = await adopt(state, draft, id, leased ? "active" : "due");
        return entry && leased ? guarded(createEntryLease(state, entry)) : null;
      }),
    leaseDue: (now, limit, gate = OPEN_GATE) =>
      guard(async () => (await leaseDue(state, now, limit, gate)).map(guarded)),
    nextDueAt: () => (hasUnread(state) ? 0 : state.order.nextAt()),
    hasten: (isReached, now) => hasten(state, isReached, now),
    list: () => [...state.entries.values()],
    stats: () => toStats(state),
    size: () => state.entries.size,
    desk: guardDesk(createDiskDesk(state), guard),
    close: () => guard(() => close(state)),
  };
}

function guardLease(lease: SpoolLease, guard: Guard): SpoolLease {
  return {
    ...lease,
    remove: () => guard(lease.remove),
    retry: (left) => guard(() => lease.retry(left)),
  };
}

function guardDesk(desk: SpoolDesk, guard: Guard): SpoolDesk {
  return {
    find: desk.find,
    allRead: desk.allRead,
    read: (id) => guard(() => desk.read(id)),
    retry: (id, order) => guard(() => desk.retry(id, order)),
    hold: (id, order) => guard(() => desk.hold(id, order)),
    release: (id, order) => guard(() => desk.release(id, order)),
    take: (id) =>
      guard(async () => {
        const taken = await desk.take(id);
        return taken.kind === "taken" ? { ...taken, remove: () => guard(taken.remove) } : taken;
      }),
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
  keepEntry(state, entry.item, where);
  return entry;
}

async function moveIn(
  { io, folders, sync }: SpoolState,
  draft: string,
  id: string,
  where: "due" | "active",
): Promise<void> {
  const home = join(folders[where], id);
  try {
    await io.rename(draft, home);
    await sync[where]();
  } catch (error) {
    // The client will hear 451 and send again: what stays behind would be delivered twice.
    for (const path of [draft, home]) await io.remove(path).catch(() => {});
    throw error;
  }
}

/** Null when the process before this one made the promise and died before it said so. */
async function adopt(
  state: SpoolState,
  draft: string,
  id: string,
  where: "due" | "active",
): Promise<Entry | null> {
  if (where === "due" && state.entries.has(id)) return null;
  const path = join(state.folders.incoming, draft);
  const entry = await readEntry(state.io, path, id);
  await moveIn(state, path, id, where);
  keepEntry(state, entry.item, where);
  return entry;
}

function hasten(state: SpoolState, isReached: (domain: string) => boolean, now: number): number {
  let hastened = 0;
  state.order.reopen();
  for (const slot of state.entries.values()) {
    const { id, known, dueAt } = slot;
    if (slot.state !== "due" || !known?.isUnreached || dueAt <= now) continue;
    if (!isReached(known.domains[0] ?? "")) continue;
    state.entries.set(id, { ...slot, dueAt: now, known: { ...known, isUnreached: false } });
    state.order.push(id, now);
    hastened += 1;
  }
  return hastened;
}

function hasUnread({ unread, beingRead }: SpoolState): boolean {
  return unread.size > 0 || beingRead.size > 0;
}

function toStats({ entries, unread, bytes, corrupt }: SpoolState): SpoolStats {
  const counts = { due: 0, active: 0, held: 0 };
  let oldestAt: number | null = null;
  for (const { id, state, known } of entries.values()) {
    counts[state] += 1;
    const receivedAt = receivedAtOf(id, known);
    if (oldestAt === null || receivedAt < oldestAt) oldestAt = receivedAt;
  }
  return { ...counts, unread: unread.size, bytes, corrupt, oldestAt };
}

/** What is still active was not ended by a crash. */
async function close(state: SpoolState): Promise<void> {
  const { io, folders, underWay } = state;
  state.closed = true;
  for (const slot of state.entries.values()) {
    if (slot.state !== "active") continue;
    const { id } = slot;
    const attempt = underWay.get(id);
    const left = attempt
      ? attempt.leave()
      : io.rename(join(folders.active, id), join(folders.due, id));
    await left.catch(() => {});
  }
}
