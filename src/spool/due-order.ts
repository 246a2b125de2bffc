import { createDueQueue, type DueQueue } from "./due-queue.ts";
import { type LeaseGate, MAX_CRASHES } from "./spool.ts";
import type { Slot } from "./spool-slot.ts";

/**
 * Which of the entries that are due comes next:
 *
 * - fresh before old, small before large, so that a short message does not wait behind thousands;
 * - every fourth, whatever it is, the one of the next destination that has been due for the longest:
 *   nothing starves;
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
  /** A gate may be open that was closed for a time that has not passed. */
  reopen(): void;
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
const OVERDUE_MS = 10 * 60_000;
/** What kills a process does so at once: a hub that is only slow must not hold up other suspects. */
const ALONE_MS = 60_000;
const RANKS = 4;
/** No domain has this name. */
const SUSPECTS = "?";

interface Lane {
  readonly name: string;
  readonly byRank: readonly DueQueue[];
  /** As the last pick found it; null: open. */
  blockedUntil: number | null;
}

interface Head {
  readonly lane: Lane;
  readonly rank: number;
  readonly id: string;
  readonly dueAt: number;
}

/** Lanes in the order of their next turns. Thousands may wait: no pick looks into all of them. */
interface Lanes {
  readonly all: Map<string, Lane>;
  /** Those with an entry of a rank. */
  readonly withRank: readonly Set<Lane>[];
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
  const withRank = Array.from({ length: RANKS }, () => new Set<Lane>());
  const lanes: Lanes = { all: new Map(), withRank };
  const placed = new Set<string>();
  const suspect = createSuspectWatch();
  let picks = 0;
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
      const isGone = (id: string) => isDue(id, now) === null && placed.delete(id);
      const closedUntil = ({ lane, id }: Head) =>
        (lane.name === SUSPECTS ? suspect.until(look, now) : null) ??
        gate.blockedUntil(look(id)?.known?.domains[0] ?? "", now);
      const wantsLongest = (picks + 1) % LONGEST_EVERY === 0;
      const best = choose(lanes, wantsLongest, { now, isGone, closedUntil });
      if (!best) return null;
      picks += 1;
      placed.delete(best.id);
      if (best.lane.name === SUSPECTS) suspect.began(best.id, now);
      takeOut(lanes, best);
      return best.id;
    },
    nextAt() {
      let next = waiting.nextDueAt() ?? Number.POSITIVE_INFINITY;
      for (const { blockedUntil } of lanes.all.values()) next = Math.min(next, blockedUntil ?? 0);
      return Number.isFinite(next) ? next : null;
    },
    reopen() {
      for (const lane of lanes.all.values()) lane.blockedUntil = null;
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

function place({ all, withRank }: Lanes, { id, dueAt, known }: Slot, now: number): void {
  if (!known) return;
  const isSuspect = known.crashes > 0;
  const name = isSuspect ? SUSPECTS : (known.domains[0] ?? "");
  const isFresh = known.attempts === 0 && now - known.receivedAt < FRESH_MS;
  const usual = (isFresh ? 0 : 2) + (known.bytes <= SMALL_BYTES ? 0 : 1);
  const rank = isSuspect ? Math.max(0, MAX_CRASHES - 1 - known.crashes) : usual;
  const byRank = () => Array.from({ length: RANKS }, createDueQueue);
  const lane = all.get(name) ?? { name, byRank: byRank(), blockedUntil: null };
  lane.byRank[rank]?.push(id, dueAt);
  all.set(name, lane);
  withRank[rank]?.add(lane);
}

/** Takes an entry from its lane, which goes to the end of the line. */
function takeOut(lanes: Lanes, { lane, rank }: Head): void {
  lane.byRank[rank]?.pop(Number.POSITIVE_INFINITY);
  lanes.all.delete(lane.name);
  for (const turns of lanes.withRank) turns.delete(lane);
  for (const [nth, queue] of lane.byRank.entries()) {
    if (!queue.first()) continue;
    lanes.all.set(lane.name, lane);
    lanes.withRank[nth]?.add(lane);
  }
}

interface Choice {
  readonly now: number;
  readonly isGone: (id: string) => boolean;
  readonly closedUntil: (head: Head) => number | null;
}

/** What comes next; null when all lanes are closed. */
function choose(lanes: Lanes, wantsLongest: boolean, choice: Choice): Head | null {
  if (wantsLongest) {
    for (const lane of lanes.all.values()) {
      const head = headOf(lanes, lane, null, choice);
      if (head) return head;
    }
    return null;
  }
  for (const [rank, turns] of lanes.withRank.entries()) {
    for (const lane of turns) {
      const head = headOf(lanes, lane, rank, choice);
      if (head) return head;
    }
  }
  return null;
}

/** What a lane offers now, of a rank or of all; null when it is closed, and until when is noted. */
function headOf(lanes: Lanes, lane: Lane, rank: number | null, choice: Choice): Head | null {
  const { now, closedUntil } = choice;
  if (isResting(lane, now)) return null;
  const heads = clean(lanes, lane, choice.isGone);
  const [foremost] = heads;
  if (!foremost) return null;
  const longest = heads.reduce((a, b) => (b.dueAt < a.dueAt ? b : a));
  const any = lane.name === SUSPECTS ? foremost : longest;
  const head = rank === null ? any : heads.find((one) => one.rank === rank);
  if (!head) return null;
  const until = closedUntil(head);
  lane.blockedUntil = until !== null && until > now ? until : null;
  if (lane.blockedUntil === null) return head;
  if (!Number.isFinite(lane.blockedUntil) || lane.name === SUSPECTS) return null;
  const overdueAt = longest.dueAt + OVERDUE_MS;
  if (overdueAt <= now) return longest;
  lane.blockedUntil = Math.min(lane.blockedUntil, overdueAt);
  return null;
}

/** No need to ask its gate again. What is closed until something ends is asked each time. */
function isResting({ name, blockedUntil }: Lane, now: number): boolean {
  if (name === SUSPECTS || blockedUntil === null) return false;
  return Number.isFinite(blockedUntil) && blockedUntil > now;
}

/** The heads of a lane, after what is no longer due: dropped, held, or leased by an earlier ticket. */
function clean(
  { all, withRank }: Lanes,
  lane: Lane,
  isGone: (id: string) => boolean,
): readonly Head[] {
  const heads = lane.byRank.flatMap((queue, rank) => {
    let first = queue.first();
    for (; first && isGone(first.id); first = queue.first()) queue.pop(Number.POSITIVE_INFINITY);
    if (first) return [{ lane, rank, id: first.id, dueAt: first.dueAt }];
    withRank[rank]?.delete(lane);
    return [];
  });
  if (heads.length === 0) all.delete(lane.name);
  return heads;
}
