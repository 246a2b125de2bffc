import { createDueQueue, type DueQueue } from "./due-queue.ts";
import { type LeaseGate, MAX_CRASHES } from "./spool.ts";
import type { Slot } from "./spool-slot.ts";

/**
 * Which of the entries that are due comes next:
 *
 * - fresh before old, small before large, so that a short message does not wait behind thousands;
 * - every fourth the one that has been due for the longest, whatever it is: nothing starves;
 * - destinations in turn, and none that its gate closes;
 * - entries during whose delivery a process died alone, the worst first: they must not draw others
 *   into the next crash.
 *
 * Without randomness: the same calls give the same order.
 */
export interface DueOrder {
  push(id: string, dueAt: number): void;
  /** Takes out the next entry; null when none may be leased now. */
  pick(now: number, gate: LeaseGate): string | null;
  /** When a pick may succeed; null when nothing waits. Asked after a pick that gave null. */
  nextAt(): number | null;
}

/** Every so many picks the longest due. */
const LONGEST_EVERY = 4;
/** Up to here a message is small: most mail without attachments. */
const SMALL_BYTES = 64 * 1024;
/** So long after its receipt, and before its first attempt, a message is fresh. */
const FRESH_MS = 60 * 60_000;
/**
 * What has been due for so long gets its turn although its destination rests, so that its age is
 * looked at: the sender is to hear of the delay, and of the end (behaviour.md section 5).
 */
const OVERDUE_MS = 30 * 60_000;
/** What kills a process does so at once: a hub that is only slow must not hold up other suspects. */
const ALONE_MS = 60_000;
const RANKS = 4;
/** No domain has this name. */
const SUSPECTS = "?";

interface Lane {
  readonly byRank: readonly DueQueue[];
  /** As the last pick found it; null: open. */
  blockedUntil: number | null;
}

interface Head {
  readonly lane: string;
  readonly rank: number;
  readonly id: string;
  readonly dueAt: number;
}

/**
 * `look` gives undefined for an entry that is gone or in somebody's hands. An entry that is due and
 * that nobody has read goes to `unread`.
 */
export function createDueOrder(
  look: (id: string) => Slot | undefined,
  unread: (id: string) => void,
): DueOrder {
  const waiting = createDueQueue();
  const lanes = new Map<string, Lane>();
  const placed = new Set<string>();
  let picks = 0;
  const suspect = createSuspectWatch();
  const isDue = (id: string, now: number) => {
    const slot = look(id);
    return slot?.state === "due" && slot.dueAt <= now ? slot : null;
  };
  const ripen = (now: number) => {
    for (let id = waiting.pop(now); id !== null; id = waiting.pop(now)) {
      const slot = isDue(id, now);
      if (slot && !slot.known) unread(id);
      if (!slot?.known || placed.has(id)) continue;
      placed.add(id);
      place(lanes, slot, now);
    }
  };
  return {
    push: waiting.push,
    pick(now, gate) {
      ripen(now);
      cleanAll(lanes, (id) => isDue(id, now) === null, placed);
      const wantsLongest = (picks + 1) % LONGEST_EVERY === 0;
      const closedUntil = (name: string, { id }: Head) =>
        (name === SUSPECTS ? suspect.until(look, now) : null) ??
        gate.blockedUntil(look(id)?.known?.domains[0] ?? "", now);
      const best = choose(lanes, now, closedUntil, wantsLongest);
      if (!best) return null;
      picks += 1;
      placed.delete(best.id);
      if (best.lane === SUSPECTS) suspect.began(best.id, now);
      takeOut(lanes, best);
      return best.id;
    },
    nextAt() {
      let next = waiting.nextDueAt() ?? Number.POSITIVE_INFINITY;
      for (const { blockedUntil } of lanes.values()) next = Math.min(next, blockedUntil ?? 0);
      return Number.isFinite(next) ? next : null;
    },
  };
}

/** Whether a suspect is being delivered. */
function createSuspectWatch() {
  let id = "";
  let at = 0;
  return {
    began(suspect: string, now: number) {
      id = suspect;
      at = now;
    },
    until(look: (id: string) => Slot | undefined, now: number): number | null {
      const until = at + ALONE_MS;
      return look(id)?.state === "active" && until > now ? until : null;
    },
  };
}

function place(lanes: Map<string, Lane>, { id, dueAt, known }: Slot, now: number): void {
  if (!known) return;
  const isSuspect = known.crashes > 0;
  const name = isSuspect ? SUSPECTS : (known.domains[0] ?? "");
  const isFresh = known.attempts === 0 && now - known.receivedAt < FRESH_MS;
  const usual = (isFresh ? 0 : 2) + (known.bytes <= SMALL_BYTES ? 0 : 1);
  const rank = isSuspect ? Math.max(0, MAX_CRASHES - 1 - known.crashes) : usual;
  const lane = lanes.get(name) ?? {
    byRank: Array.from({ length: RANKS }, createDueQueue),
    blockedUntil: null,
  };
  lane.byRank[rank]?.push(id, dueAt);
  lanes.set(name, lane);
}

/** Takes off what is no longer due: dropped, held, or leased by an earlier ticket. */
function cleanAll(
  lanes: Map<string, Lane>,
  isGone: (id: string) => boolean,
  placed: Set<string>,
): void {
  for (const [name, lane] of lanes) if (!clean(lane, isGone, placed)) lanes.delete(name);
}

function clean(lane: Lane, isGone: (id: string) => boolean, placed: Set<string>): boolean {
  let isUsed = false;
  for (const queue of lane.byRank) {
    let first = queue.first();
    while (first && isGone(first.id)) {
      queue.pop(Number.POSITIVE_INFINITY);
      placed.delete(first.id);
      first = queue.first();
    }
    isUsed ||= first !== null;
  }
  return isUsed;
}

/** Its lane goes to the end of the line, so that the others have their turn. */
function takeOut(lanes: Map<string, Lane>, { lane: name, rank }: Head): void {
  const lane = lanes.get(name);
  lane?.byRank[rank]?.pop(Number.POSITIVE_INFINITY);
  lanes.delete(name);
  if (lane?.byRank.some((queue) => queue.first())) lanes.set(name, lane);
}

type ClosedUntil = (lane: string, head: Head) => number | null;

/** The head of the lane whose turn it is; null when all are closed. */
function choose(
  lanes: ReadonlyMap<string, Lane>,
  now: number,
  closedUntil: ClosedUntil,
  wantsLongest: boolean,
): Head | null {
  let best: Head | null = null;
  for (const [name, lane] of lanes) {
    const head = headOf(name, lane, now, closedUntil, wantsLongest);
    if (head && (!best || isBetter(head, best, wantsLongest))) best = head;
  }
  return best;
}

/** What the lane offers now; null when it is closed, and until when is noted. */
function headOf(
  name: string,
  lane: Lane,
  now: number,
  closedUntil: ClosedUntil,
  wantsLongest: boolean,
): Head | null {
  const heads = lane.byRank.flatMap((queue, rank) => {
    const first = queue.first();
    return first ? [{ lane: name, rank, id: first.id, dueAt: first.dueAt }] : [];
  });
  const [foremost] = heads;
  if (!foremost) return null;
  const longest = heads.reduce((a, b) => (b.dueAt < a.dueAt ? b : a));
  const head = wantsLongest && name !== SUSPECTS ? longest : foremost;
  const until = closedUntil(name, head);
  lane.blockedUntil = until !== null && until > now ? until : null;
  if (lane.blockedUntil === null) return head;
  const overdueAt = longest.dueAt + OVERDUE_MS;
  if (!Number.isFinite(lane.blockedUntil) || name === SUSPECTS) return null;
  if (overdueAt <= now) return longest;
  lane.blockedUntil = Math.min(lane.blockedUntil, overdueAt);
  return null;
}

function isBetter(a: Head, b: Head, wantsLongest: boolean): boolean {
  return wantsLongest ? a.dueAt < b.dueAt : a.rank < b.rank;
}
