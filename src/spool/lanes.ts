import { createDueQueue, type DueQueue } from "./due-queue.ts";
import type { LeaseGate } from "./spool.ts";

/** What is due for one domain. */
export interface Lane {
  readonly name: string;
  readonly byRank: readonly DueQueue[];
  /** As the last look at it found, milliseconds since the epoch; null: it may have its turn. */
  restsUntil: number | null;
  group: LaneGroup;
}

/** Lanes in the order of their next turns. */
export interface LaneGroup {
  readonly turns: Set<Lane>;
  /** Those with an entry of a rank. */
  readonly withRank: readonly Set<Lane>[];
}

/** The first entry of a rank in a lane. */
export interface Head {
  readonly lane: Lane;
  readonly rank: number;
  readonly id: string;
  readonly dueAt: number;
}

/**
 * Lanes that find no place for an attempt lie together by what has to end before: of tens of thousands
 * of domains that wait for one place nobody is asked until there is one.
 */
export interface Lanes {
  /** Makes the lane where there is none. */
  push(name: string, rank: number, id: string, dueAt: number): void;
  /** Takes an entry from its lane, which goes to the end of the line. */
  takeOut(head: Head): void;
  /** The first of each rank, after what is gone; none: the lane is gone too. */
  heads(lane: Lane, isGone: (id: string) => boolean): readonly Head[];
  /** Those of which something may be leased, as far as the gate tells of all of a group. */
  groups(gate: Pick<LeaseGate, "isClosed">): readonly LaneGroup[];
  /** Out of the way until the gate says that this has ended. */
  close(lane: Lane, by: string): void;
  /** In the line with all others. */
  open(lane: Lane): void;
  /** All are looked at again, whatever they waited for. */
  reopen(): void;
  /** When the first in the line has rested; infinite when there is none. */
  nextAt(): number;
}

/** `ranks`: how many there are. */
export function createLanes(ranks: number): Lanes {
  const all = new Map<string, Lane>();
  const line = makeGroup(ranks);
  const closed = new Map<string, LaneGroup>();
  return {
    push(name, rank, id, dueAt) {
      const lane = all.get(name) ?? makeLane(name, line);
      all.set(name, lane);
      lane.byRank[rank]?.push(id, dueAt);
      join(lane, lane.group);
    },
    takeOut({ lane, rank }) {
      lane.byRank[rank]?.pop(Number.POSITIVE_INFINITY);
      leave(lane);
      if (!join(lane, line)) all.delete(lane.name);
    },
    heads(lane, isGone) {
      const heads = lane.byRank.flatMap((queue, rank) => headOf(lane, queue, rank, isGone));
      if (heads.length === 0) {
        leave(lane);
        all.delete(lane.name);
      }
      return heads;
    },
    groups(gate) {
      for (const [by, { turns }] of closed) if (turns.size === 0) closed.delete(by);
      const opened = [...closed].filter(([by]) => !gate.isClosed(by)).map(([, group]) => group);
      return [...opened, line];
    },
    close(lane, by) {
      const group = closed.get(by) ?? makeGroup(ranks);
      closed.set(by, group);
      lane.restsUntil = null;
      move(lane, group);
    },
    open: (lane) => move(lane, line),
    reopen() {
      for (const lane of all.values()) {
        lane.restsUntil = null;
        move(lane, line);
      }
      closed.clear();
    },
    nextAt() {
      let next = Number.POSITIVE_INFINITY;
      for (const { restsUntil } of line.turns) next = Math.min(next, restsUntil ?? 0);
      return next;
    },
  };
}

function makeGroup(ranks: number): LaneGroup {
  const withRank = Array.from({ length: ranks }, () => new Set<Lane>());
  return { turns: new Set(), withRank };
}

function makeLane(name: string, group: LaneGroup): Lane {
  return { name, byRank: group.withRank.map(createDueQueue), restsUntil: null, group };
}

function headOf(
  lane: Lane,
  queue: DueQueue,
  rank: number,
  isGone: (id: string) => boolean,
): readonly Head[] {
  let first = queue.first();
  for (; first && isGone(first.id); first = queue.first()) queue.pop(Number.POSITIVE_INFINITY);
  if (first) return [{ lane, rank, id: first.id, dueAt: first.dueAt }];
  lane.group.withRank[rank]?.delete(lane);
  return [];
}

function move(lane: Lane, group: LaneGroup): void {
  if (lane.group === group) return;
  leave(lane);
  join(lane, group);
}

function leave(lane: Lane): void {
  lane.group.turns.delete(lane);
  for (const turns of lane.group.withRank) turns.delete(lane);
}

/** At the end of the line. False when there is nothing in the lane. */
function join(lane: Lane, group: LaneGroup): boolean {
  lane.group = group;
  let hasAny = false;
  for (const [rank, queue] of lane.byRank.entries()) {
    if (!queue.first()) continue;
    hasAny = true;
    group.withRank[rank]?.add(lane);
  }
  if (hasAny) group.turns.add(lane);
  return hasAny;
}
