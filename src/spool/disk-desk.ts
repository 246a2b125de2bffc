import { errorText } from "../base/errors.ts";
import { ID_PATTERN } from "../base/ids.ts";
import { appendLeft, readEntry, readEntryHistory, toEntrySource } from "./entry-file.ts";
import { applyLeft, CorruptEntry, type Entry, type Left, toLeft } from "./entry-format.ts";
import { type HoldOrder, MAX_CRASHES, type SpoolItem } from "./spool.ts";
import type { DeskOrder, DeskResult, EntryStory, SpoolDesk, TakenEntry } from "./spool-desk.ts";
import { forgetEntry, keepEntry, pathOf, type Slot, setAside } from "./spool-slot.ts";
import type { SpoolState } from "./spool-state.ts";

/** Not done, and why. */
type Not = Exclude<DeskResult, { kind: "done" }>;

const NOT_FOUND: Not = { kind: "not-found" };
const UNCHANGED: Not = { kind: "unchanged" };

/** The entries of a disk spool, one at a time in an operator's hands. */
export function createDiskDesk(state: SpoolState): SpoolDesk {
  return {
    find: (text) => find(state, text),
    read: (id) => read(state, id),
    allRead: () => state.reading,
    async retry(id, order) {
      const slot = state.entries.get(id);
      if (slot?.state === "held") return release(state, id, order);
      return mine(state, id, (slot) => hasten(state, slot, order.at));
    },
    async hold(id, order) {
      if (await orderUnderWay(state, id, order)) return { kind: "active", willHold: true };
      return mine(state, id, (slot) =>
        slot.state === "held" ? UNCHANGED : move(state, slot, "held", () => ({ held: order })),
      );
    },
    release: (id, order) => release(state, id, order),
    take: (id) => take(state, id),
  };
}

function find({ entries }: SpoolState, text: string): readonly string[] {
  const [transaction = "", suffix] = text.trim().split("-");
  const upper = transaction.toUpperCase();
  if (!ID_PATTERN.test(upper)) return [];
  if (suffix === undefined) return [...entries.keys()].filter((id) => id.startsWith(`${upper}-`));
  const id = `${upper}-${suffix.toLowerCase()}`;
  return entries.has(id) ? [id] : [];
}

/** An entry moves while it is read: then it is looked for where it is now. */
async function read(state: SpoolState, id: string): Promise<EntryStory | null> {
  for (;;) {
    const slot = state.entries.get(id);
    if (!slot) return null;
    const path = pathOf(state, slot);
    try {
      const { entry, history } = await readEntryHistory(state.io, path, id);
      const source = toEntrySource(state.io, path, entry);
      return { item: entry.item, state: slot.state, dueAt: slot.dueAt, history, source };
    } catch (error) {
      if (state.entries.get(id) !== slot) continue;
      if (!(error instanceof CorruptEntry) || slot.state === "active") throw error;
      await setAside(state, id, path, error);
    }
  }
}

/** Runs the work on an entry that no attempt and no other order has. */
async function mine<Result>(
  state: SpoolState,
  id: string,
  work: (slot: Slot) => Promise<Result> | Result,
): Promise<Result | Not> {
  const slot = state.entries.get(id);
  if (!slot) return NOT_FOUND;
  if (slot.state === "active" || state.taken.has(id)) return { kind: "active", willHold: false };
  state.taken.add(id);
  try {
    return await work(slot);
  } catch (error) {
    if (!(error instanceof CorruptEntry)) throw error;
    await setAside(state, id, pathOf(state, slot), error);
    return { kind: "corrupt" };
  } finally {
    giveBack(state, id);
  }
}

/** True when an attempt has the entry, and has taken the order. */
async function orderUnderWay(
  state: SpoolState,
  id: string,
  order: HoldOrder | null,
): Promise<boolean> {
  for (;;) {
    await state.activating.get(id)?.catch(() => {});
    const attempt = state.underWay.get(id);
    if (!attempt) return false;
    if (await attempt.order(order)) return true;
  }
}

/** Its ticket may have come up meanwhile. */
function giveBack(state: SpoolState, id: string): void {
  state.taken.delete(id);
  const slot = state.entries.get(id);
  if (slot?.state === "due") state.order.push(id, slot.dueAt);
}

async function release(state: SpoolState, id: string, order: DeskOrder): Promise<DeskResult> {
  if (await orderUnderWay(state, id, null)) return { kind: "active", willHold: false };
  return mine(state, id, (slot) => {
    if (slot.state !== "held") return UNCHANGED;
    return move(state, slot, "due", (item) => ({
      held: undefined,
      dueAt: order.at,
      crashes: item.crashes && Math.min(item.crashes, MAX_CRASHES - 1),
    }));
  });
}

/** Its file need not say so: after a restart everything is due. */
function hasten(state: SpoolState, slot: Slot, now: number): DeskResult {
  if (slot.dueAt > now) {
    state.entries.set(slot.id, { ...slot, dueAt: now });
    state.order.push(slot.id, now);
  }
  return { kind: "done", item: null };
}

/** The record says by whom, the folder what it is; durable when it resolves. */
async function move(
  state: SpoolState,
  slot: Slot,
  to: "due" | "held",
  change: (item: SpoolItem) => { readonly [K in keyof Left]?: Left[K] | undefined },
): Promise<DeskResult> {
  const { io, clock } = state;
  const { id } = slot;
  const from = pathOf(state, slot);
  const entry = await readEntry(io, from, id);
  const record = clean({ ...toLeft(entry, { at: clock.now() }), ...change(entry.item) });
  await appendLeft(io, from, entry, record);
  const target: Slot = { ...slot, state: to };
  await io.rename(from, pathOf(state, target));
  const item = applyLeft(entry.item, entry.allRecipients, record);
  keepEntry(state, item, to);
  await Promise.all([state.sync.due(), state.sync.held()]);
  return { kind: "done", item };
}

function clean(record: { readonly [K in keyof Left]: Left[K] | undefined }): Left {
  return JSON.parse(JSON.stringify(record)) as Left;
}

/** The file stays where it is, so that after a crash it is what it was. */
async function take(state: SpoolState, id: string): Promise<TakenEntry | Not> {
  const slot = state.entries.get(id);
  const found = await mine(state, id, (slot) => readEntry(state.io, pathOf(state, slot), id));
  if ("kind" in found) return found;
  if (!slot || state.entries.get(id)?.state !== slot.state)
    return { kind: "active", willHold: false };
  state.taken.add(id);
  return toTaken(state, slot, found);
}

function toTaken(state: SpoolState, slot: Slot, entry: Entry): TakenEntry {
  const { io, log } = state;
  const { id } = slot;
  const path = pathOf(state, slot);
  return {
    kind: "taken",
    item: entry.item,
    source: toEntrySource(io, path, entry),
    async remove() {
      await io.remove(path);
      state.taken.delete(id);
      forgetEntry(state, id);
      await Promise.all([state.sync.due(), state.sync.held()]).catch((error: unknown) => {
        log.warn("spool-drop-not-synced", { entry: id, reason: errorText(error) });
        throw error;
      });
    },
    putBack: () => giveBack(state, id),
  };
}
