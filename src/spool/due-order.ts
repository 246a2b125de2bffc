import { createDueQueue } from "./due-queue.ts";
import { createLanes, type Head, type Lane, type LaneGroup, type Lanes } from "./lanes.ts";
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

/**
 * `look` gives undefined for an entry that is gone or in somebody's hands. An entry that is due and
 * that nobody has read goes to `unread`.
 */
export function createDueOrder(
  look: (id: string) => Slot | undefined,
  unread: (id: string) => void,
): DueOrder {
  const waiting = createDueQueue();
  const lanes = createLanes(RANKS);
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
      const domainOf = (id: string) => look(id)?.known?.domains[0] ?? "";
      const closedBy = ({ id }: Head) => gate.closedBy(domainOf(id));
      const restsUntil = ({ lane, id }: Head) =>
        (lane.name === SUSPECTS ? suspect.until(look, now) : null) ??
        gate.restsUntil(domainOf(id), now);
      const groups = lanes.groups(gate);
      const wantsLongest = (picks + 1) % LONGEST_EVERY === 0;
      const best = choose(lanes, wantsLongest, { now, groups, isGone, closedBy, restsUntil });
      if (!best) return null;
      picks += 1;
      placed.delete(best.id);
      if (best.lane.name === SUSPECTS) suspect.began(best.id, now);
      lanes.takeOut(best);
      return best.id;
    },
    nextAt() {
      const next = Math.min(waiting.nextDueAt() ?? Number.POSITIVE_INFINITY, lanes.nextAt());
      return Number.isFinite(next) ? next : null;
    },
    reopen: lanes.reopen,
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

function place(lanes: Lanes, { id, dueAt, known }: Slot, now: number): void {
  if (!known) return;
  const isSuspect = known.crashes > 0;
  const name = isSuspect ? SUSPECTS : (known.domains[0] ?? "");
  const isFresh = known.attempts === 0 && now - known.receivedAt < FRESH_MS;
  const usual = (isFresh ? 0 : 2) + (known.bytes <= SMALL_BYTES ? 0 : 1);
  const rank = isSuspect ? Math.max(0, MAX_CRASHES - 1 - known.crashes) : usual;
  lanes.push(name, rank, id, dueAt);
}

interface Choice {
  readonly now: number;
  readonly groups: readonly LaneGroup[];
  readonly isGone: (id: string) => boolean;
  readonly closedBy: (head: Head) => string | null;
  readonly restsUntil: (head: Head) => number | null;
}

/** What comes next; null when all lanes are closed. */
function choose(lanes: Lanes, wantsLongest: boolean, choice: Choice): Head | null {
  const ranks = wantsLongest ? [null] : Array.from({ length: RANKS }, (_, rank) => rank);
  for (const rank of ranks) {
    for (const lane of inTurn(choice.groups, rank)) {
      const head = headOf(lanes, lane, rank, choice);
      if (head) return head;
    }
  }
  return null;
}

/** Of a rank, or all. Copies nothing: thousands may wait, and the first of them may do. */
function* inTurn(groups: readonly LaneGroup[], rank: number | null): Generator<Lane> {
  for (const { turns, withRank } of groups) yield* rank === null ? turns : (withRank[rank] ?? []);
}

/** What a lane offers now, of a rank or of all; null when it is closed, and why is noted. */
function headOf(lanes: Lanes, lane: Lane, rank: number | null, choice: Choice): Head | null {
  const { now, isGone, closedBy, restsUntil } = choice;
  const isSuspect = lane.name === SUSPECTS;
  // No need to ask its gate again. Suspects are of many domains: they are asked each time.
  if (!isSuspect && lane.restsUntil !== null && lane.restsUntil > now) return null;
  const heads = lanes.heads(lane, isGone);
  const [foremost] = heads;
  if (!foremost) return null;
  const longest = heads.reduce((a, b) => (b.dueAt < a.dueAt ? b : a));
  const any = isSuspect ? foremost : longest;
  const head = rank === null ? any : heads.find((one) => one.rank === rank);
  if (!head) return null;
  const by = closedBy(head);
  if (by !== null && !isSuspect) {
    lanes.close(lane, by);
    return null;
  }
  lanes.open(lane);
  const until = by === null ? restsUntil(head) : Number.POSITIVE_INFINITY;
  lane.restsUntil = until !== null && until > now ? until : null;
  if (lane.restsUntil === null) return head;
  if (isSuspect) return null;
  const overdueAt = longest.dueAt + OVERDUE_MS;
  if (overdueAt <= now) return longest;
  lane.restsUntil = Math.min(lane.restsUntil, overdueAt);
  return null;
}
