import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { errorText } from "../base/errors.ts";
import { bornAt, ID_PATTERN } from "../base/ids.ts";
import { appendLeft, readEntry } from "./entry-file.ts";
import { applyLeft, CorruptEntry, type Entry, toLeft } from "./entry-format.ts";
import { toPoisonOrder } from "./entry-lease.ts";
import { MAX_CRASHES, type RecoverReport } from "./spool.ts";
import { keepEntry, pathOf, readUnread, type Slot, setAside } from "./spool-slot.ts";
import type { SpoolState } from "./spool-state.ts";

/** Files written at once: enough to keep the disk busy, far below any limit on open files. */
const WRITERS = 16;

/**
 * After a start or a crash: drafts were never promised and go, whatever was being delivered is due
 * again with a crash more, or held if that was ordered, strangers are set aside. Everything is due at
 * once, because an outage is the usual reason for a restart. Only names are read here, and the few
 * files of what was being delivered, so that 100,000 entries cost no more than a listing; damage is
 * found when a file is read.
 */
export async function recoverEntries(state: SpoolState, beside: boolean): Promise<RecoverReport> {
  const { io, folders, log } = state;
  for (const folder of Object.values(folders)) await io.makeFolder(folder);
  const drafts = beside ? [] : await io.list(folders.incoming);
  for (const name of drafts) await io.remove(join(folders.incoming, name));
  // Before the crash is noted: a crash of this start must not be counted as another delivery's.
  const crashed = await io.list(folders.active);
  for (const name of crashed) {
    const where = (await wasOrdered(state, name)) ? folders.held : folders.due;
    await io.rename(join(folders.active, name), join(where, name));
  }
  await Promise.all([state.sync.due(), state.sync.active(), state.sync.held()]);
  const corrupt: string[] = [];
  const now = state.clock.now();
  for (const where of ["due", "held"] as const) {
    for (const name of [...(await io.list(folders[where]))].sort()) {
      if (isOurs(name)) learn(state, name, where, now);
      else {
        await setAside(state, name, join(folders[where], name), "is not ours");
        corrupt.push(name);
      }
    }
  }
  corrupt.push(...(await noteCrashes(state, crashed.filter(isOurs))));
  const { due, held } = count(state);
  log.info("spool-recovered", {
    due,
    held,
    drafts: drafts.length,
    crashed: crashed.length,
    corrupt: corrupt.length,
  });
  return { due, held, drafts: drafts.length, corrupt: corrupt.sort() };
}

/** To be held when its attempt is over, and it is. What cannot be read is looked at again below. */
async function wasOrdered({ io, folders }: SpoolState, name: string): Promise<boolean> {
  if (!isOurs(name)) return false;
  try {
    const { last } = await readEntry(io, join(folders.active, name), name);
    return last?.held !== undefined;
  } catch {
    return false;
  }
}

function isOurs(name: string): boolean {
  const [transaction = "", suffix = ""] = name.split("-");
  return ID_PATTERN.test(transaction) && suffix !== "";
}

function learn(state: SpoolState, id: string, where: "due" | "held", now: number): void {
  state.entries.set(id, { id, state: where, dueAt: now, known: null });
  state.unread.add(id);
}

/** Those that turned out to be damaged. */
async function noteCrashes(state: SpoolState, ids: readonly string[]): Promise<readonly string[]> {
  const corrupt: string[] = [];
  let next = 0;
  const noteNext = async () => {
    for (let id = ids[next++]; id !== undefined; id = ids[next++]) {
      if (!(await noteCrash(state, id))) corrupt.push(id);
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, noteNext));
  return corrupt;
}

async function noteCrash(state: SpoolState, id: string): Promise<boolean> {
  const slot = state.entries.get(id);
  if (!slot) return true;
  const path = pathOf(state, slot);
  try {
    await countCrash(state, slot, await readEntry(state.io, path, id));
  } catch (error) {
    if (error instanceof CorruptEntry) {
      await setAside(state, id, path, error);
      return false;
    }
    state.log.warn("spool-crash-not-noted", { entry: id, reason: errorText(error) });
  }
  return true;
}

/** With the last crash it is held: nobody but an operator lets it be delivered again. */
async function countCrash(state: SpoolState, slot: Slot, entry: Entry): Promise<void> {
  const { io, clock, log } = state;
  const { id } = entry.item;
  const now = clock.now();
  const crashes = (entry.item.crashes ?? 0) + 1;
  const reason = "the process that was delivering it died";
  const poisonOrder = crashes >= MAX_CRASHES ? toPoisonOrder(crashes, now) : null;
  const order = poisonOrder ?? entry.last?.held;
  const attempts = entry.item.attempts + 1;
  const note = { crashes, attempts, reason, at: now };
  const record = toLeft(entry, { ...note, ...(order && { held: order }) });
  const item = applyLeft(entry.item, entry.allRecipients, record);
  let where = slot.state;
  try {
    const path = pathOf(state, slot);
    await appendLeft(io, path, entry, record);
    if (order && where === "due") {
      await io.rename(path, pathOf(state, { ...slot, state: "held" }));
      where = "held";
    }
  } catch (error) {
    // A full disk must not keep us from starting. It is remembered until the next crash.
    log.warn("spool-crash-not-noted", { entry: id, reason: errorText(error) });
  }
  keepEntry(state, item, where, { dueAt: now });
  if (!order || where !== "held") return;
  await state.sync.held().catch(() => {});
  if (poisonOrder) log.error("spool-entry-poisoned", { entry: id, crashes });
  state.onHeld(item, order);
}

function count(state: SpoolState): { readonly due: number; readonly held: number } {
  let held = 0;
  for (const slot of state.entries.values()) if (slot.state === "held") held += 1;
  return { due: state.entries.size - held, held };
}

/** Files read before everybody else gets his turn: reading blocks, and clients wait. */
const READ_A_TURN = 4;

/** Reads what only the name is known of, until all is known or the spool is closed. Never rejects. */
export async function readAllUnread(state: SpoolState): Promise<void> {
  while (state.unread.size > 0) {
    await setImmediate();
    if (state.closed) return;
    for (const id of [...state.unread.keys().take(READ_A_TURN)]) await readUnread(state, id);
  }
  await Promise.all(state.beingRead.values());
}

/** When an entry was received, as far as it is known. */
export function receivedAtOf(id: string, known: { readonly receivedAt: number } | null): number {
  if (known) return known.receivedAt;
  const [transaction = ""] = id.split("-");
  return bornAt(transaction);
}
