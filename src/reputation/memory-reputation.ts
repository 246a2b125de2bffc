import type { Clock } from "../base/clock.ts";
import { type Greylist, type GreylistEntry, greylisted } from "./greylist.ts";
import { known, type Lesson, type Reputation, type Subject } from "./reputation.ts";
import { MAX_SHELF_ENTRIES, type Shelf, type ShelfEntry } from "./shelf.ts";
import {
  gatherLessons,
  HALF_LIFE_MS,
  isAlive,
  type Learned,
  learned,
  type StoredRecord,
  toRecord,
} from "./subject-record.ts";
import { subjectText } from "./subjects.ts";

/** Each kind of thing; the one used least lately goes first. Some 50 MB at most. */
const MAX_ENTRIES = 100_000;

/** In this process alone, and gone with it: for tests, and for what must leave no trace. */
export function createMemoryReputation(
  clock: Pick<Clock, "now">,
  { halfLifeMs = HALF_LIFE_MS, maxEntries = MAX_ENTRIES } = {},
): Reputation {
  const records = createBounded<StoredRecord>(maxEntries);
  const claims = createBounded<number>(maxEntries);
  const teach = (lessons: readonly Lesson[]) => {
    const now = clock.now();
    const gathered = new Map<string, { subject: Subject; learned: Learned }>();
    gatherLessons(gathered, lessons, subjectText);
    for (const [key, one] of gathered) {
      const after = learned(records.get(key) ?? null, one.learned, now, halfLifeMs);
      if (after) records.set(key, after);
    }
  };
  return {
    async look(subjects) {
      const now = clock.now();
      const found = subjects.map((subject) => {
        const stored = records.get(subjectText(subject)) ?? null;
        return isAlive(stored, now) ? toRecord(subject, stored, now, halfLifeMs) : null;
      });
      return known(found);
    },
    learn: teach,
    forget: async (subjects) =>
      known(subjects.filter((subject) => records.delete(subjectText(subject))).length),
    async claim(id, forMs) {
      const now = clock.now();
      if ((claims.get(id) ?? 0) > now) return known(false);
      claims.set(id, now + forMs);
      return known(true);
    },
    greylist: createMemoryGreylist(clock, maxEntries),
    blocks: createMemoryShelf(clock),
    exceptions: createMemoryShelf(clock),
    fileEntries: createMemoryShelf(clock),
    async flush() {},
    async close() {},
  };
}

function createMemoryGreylist(clock: Pick<Clock, "now">, maxEntries: number): Greylist {
  const entries = createBounded<GreylistEntry>(maxEntries);
  return {
    peek: async (key, times) =>
      known(greylisted(entries.get(key) ?? null, times, clock.now()).state),
    async touch(key, times) {
      const { entry, state } = greylisted(entries.get(key) ?? null, times, clock.now());
      entries.set(key, entry);
      return known(state);
    },
    async allow(key, { passMs }) {
      const now = clock.now();
      const before = entries.get(key);
      const firstSeen = before && now < before.until ? before.firstSeen : now;
      entries.set(key, { firstSeen, passed: true, until: now + passMs });
      return known(true);
    },
    async forget(key) {
      const before = entries.get(key);
      return known(entries.delete(key) && before !== undefined && clock.now() < before.until);
    },
  };
}

function createMemoryShelf(clock: Pick<Clock, "now">): Shelf {
  const entries = new Map<string, ShelfEntry>();
  const inForce = (key: string) => {
    const entry = entries.get(key);
    if (entry && entry.until > clock.now()) return entry;
    entries.delete(key);
    return undefined;
  };
  const list = () => [...entries.keys()].flatMap((key) => inForce(key) ?? []);
  return {
    async put({ key, value, until }) {
      const { hits = 0, lastHit = null } = inForce(key) ?? {};
      entries.set(key, { key, value, until, since: clock.now(), hits, lastHit });
      if (entries.size <= MAX_SHELF_ENTRIES) return known(true);
      const soonest = list().sort((a, b) => a.until - b.until)[0];
      if (soonest && entries.size > MAX_SHELF_ENTRIES) entries.delete(soonest.key);
      return known(true);
    },
    get: async (keys) => known(keys.flatMap((key) => inForce(key) ?? [])),
    list: async () => known(list().sort((a, b) => b.since - a.since)),
    remove: async (key) => known(inForce(key) !== undefined && entries.delete(key)),
    hit(key) {
      const entry = inForce(key);
      if (entry) entries.set(key, { ...entry, hits: entry.hits + 1, lastHit: clock.now() });
    },
  };
}

/** A map whose least recently used entry makes room. */
function createBounded<V>(max: number) {
  const entries = new Map<string, V>();
  return {
    get: (key: string) => entries.get(key),
    set(key: string, value: V) {
      entries.delete(key);
      entries.set(key, value);
      for (const oldest of entries.size > max ? entries.keys().take(1) : []) entries.delete(oldest);
    },
    delete: (key: string) => entries.delete(key),
  };
}
