import { join } from "node:path";
import { errorText } from "../base/errors.ts";
import { readEntry } from "./entry-file.ts";
import { CorruptEntry, type Entry } from "./entry-format.ts";
import type { EntryFacts, KnownEntry, SpoolItem } from "./spool.ts";
import type { SpoolState } from "./spool-state.ts";

/** What is kept in memory of an entry: small, whatever its file holds. */
export type Slot = KnownEntry;

/** Domains of one entry that are kept in memory. */
export const MAX_KNOWN_DOMAINS: number = 8;

export function toFacts(item: SpoolItem, isUnreached = false): EntryFacts {
  const { bytes, receivedAt, attempts, crashes = 0, envelope } = item;
  const domains = new Set<string>();
  for (const { address } of envelope.recipients) {
    if (domains.size === MAX_KNOWN_DOMAINS) break;
    domains.add(address.domain);
  }
  return { bytes, receivedAt, attempts, crashes, domains: [...domains], isUnreached };
}

/** Puts an entry that was read, or made, into its place in memory. */
export function keepEntry(
  state: SpoolState,
  item: SpoolItem,
  where: Slot["state"],
  change: { readonly dueAt?: number; readonly isUnreached?: boolean } = {},
): void {
  const { dueAt = item.dueAt, isUnreached = false } = change;
  const before = state.entries.get(item.id)?.known;
  state.bytes += item.bytes - (before?.bytes ?? 0);
  state.unread.delete(item.id);
  const known = toFacts(item, isUnreached);
  state.entries.set(item.id, { id: item.id, state: where, dueAt, known });
  if (where === "due") state.order.push(item.id, dueAt);
}

export function forgetEntry(state: SpoolState, id: string): void {
  state.bytes -= state.entries.get(id)?.known?.bytes ?? 0;
  state.entries.delete(id);
  state.unread.delete(id);
}

export function pathOf({ folders }: SpoolState, { id, state }: Slot): string {
  return join(folders[state], id);
}

/** Damaged: never delivered, and never lost without a word. */
export async function setAside(
  state: SpoolState,
  id: string,
  from: string,
  error: unknown,
): Promise<void> {
  await state.io.rename(from, join(state.folders.corrupt, id));
  forgetEntry(state, id);
  state.corrupt += 1;
  state.log.error("spool-entry-corrupt", { entry: id, reason: errorText(error) });
}

/**
 * An entry that cannot be read just now must not stand in front of the others, and not wait long for a
 * disk that is back.
 */
export const READ_AGAIN_MS: number = 10_000;

/**
 * Reads an entry of which only the name is known, so that it gets its place in the order. Two who
 * want the same wait for one reading. One that cannot be read is looked at again later. Never rejects.
 */
export function readUnread(state: SpoolState, id: string): Promise<void> {
  const slot = state.entries.get(id);
  if (!slot || !state.unread.delete(id)) return state.beingRead.get(id) ?? Promise.resolve();
  const reading = readSlot(state, slot).finally(() => state.beingRead.delete(id));
  state.beingRead.set(id, reading);
  return reading;
}

async function readSlot(state: SpoolState, slot: Slot): Promise<void> {
  const { id } = slot;
  const path = pathOf(state, slot);
  try {
    admit(state, await readEntry(state.io, path, id));
  } catch (error) {
    await failed(state, slot, path, error);
  }
}

/** An operator may have moved it while it was read. */
function admit(state: SpoolState, { item }: Entry): void {
  const slot = state.entries.get(item.id);
  if (!slot || slot.known) return;
  keepEntry(state, item, slot.state, { dueAt: slot.dueAt });
}

async function failed(state: SpoolState, slot: Slot, path: string, error: unknown): Promise<void> {
  const { id, dueAt } = slot;
  const isMoved = state.entries.get(id) !== slot;
  if (isMoved) return;
  try {
    if (error instanceof CorruptEntry) return await setAside(state, id, path, error);
    state.log.warn("spool-entry-not-read", { entry: id, reason: errorText(error) });
  } catch (second) {
    state.log.error("spool-entry-not-set-aside", { entry: id, reason: errorText(second) });
  }
  const again = Math.max(dueAt, state.clock.now() + READ_AGAIN_MS);
  state.entries.set(id, { ...slot, dueAt: again });
  if (slot.state === "due") state.order.push(id, again);
}
