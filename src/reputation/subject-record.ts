import {
  COUNTERS,
  type Counts,
  type Lesson,
  type Subject,
  type SubjectRecord,
} from "./reputation.ts";

const DAY_MS = 86_400_000;
/** What a counter needs to halve, unless the owner of the store says otherwise. */
export const HALF_LIFE_MS = 7 * DAY_MS;
/** After some eight half-lives without news nothing is left that would count. */
export const RECORD_LIFE_MS = 60 * DAY_MS;
/** More distinct names than this say nothing more; the client chooses them, so they are bounded. */
export const HELO_NAMES = 8;
export const HELO_NAME_LENGTH = 64;
export const HELO_LIFE_MS = 7 * DAY_MS;

/** A record as it lies in a store: counters as they were at `lastSeen`. */
export interface StoredRecord {
  readonly counts: readonly number[];
  readonly firstSeen: number;
  readonly lastSeen: number;
  /** The latest first. */
  readonly helos: readonly HeloSeen[];
}

interface HeloSeen {
  readonly name: string;
  readonly at: number;
}

/** False for what a store has not swept yet. */
export function isAlive(stored: StoredRecord | null, now: number): stored is StoredRecord {
  return stored !== null && now - stored.lastSeen < RECORD_LIFE_MS;
}

/** Several lessons of one subject as one. */
export type Learned = Pick<Lesson, "add"> & { readonly helos: readonly string[] };

/** What a record is after a lesson. Null when nothing is to be kept: unlearning what is unknown. */
export function learned(
  stored: StoredRecord | null,
  { add = {}, helos }: Learned,
  now: number,
  halfLifeMs: number,
): StoredRecord | null {
  const before = isAlive(stored, now) ? stored : null;
  const gains = COUNTERS.some((name) => (add[name] ?? 0) > 0) || helos.length > 0;
  if (!before && !gains) return null;
  // A node whose clock is behind must not make counters grow.
  const at = Math.max(now, before?.lastSeen ?? now);
  const factor = before ? decay(at - before.lastSeen, halfLifeMs) : 0;
  return {
    counts: COUNTERS.map((name, i) =>
      Math.max(0, (before?.counts[i] ?? 0) * factor + (add[name] ?? 0)),
    ),
    firstSeen: before?.firstSeen ?? now,
    lastSeen: at,
    helos: helos.reduce((seen, name) => withHelo(seen, name, at), before?.helos ?? []),
  };
}

/** As it is now. */
export function toRecord(
  subject: Subject,
  stored: StoredRecord,
  now: number,
  halfLifeMs: number,
): SubjectRecord {
  const factor = decay(Math.max(0, now - stored.lastSeen), halfLifeMs);
  const counts: Partial<Record<keyof Counts, number>> = {};
  COUNTERS.forEach((name, i) => {
    counts[name] = Math.round((stored.counts[i] ?? 0) * factor * 1000) / 1000;
  });
  const { firstSeen, lastSeen } = stored;
  const helos = stored.helos.filter(({ at }) => now - at < HELO_LIFE_MS).map(({ name }) => name);
  return { subject, counts: counts as Counts, firstSeen, lastSeen, helos };
}

/** Lessons of the same subject become one, in a map by whatever `keyOf` says. */
export function gatherLessons<K>(
  into: Map<K, { readonly subject: Subject; readonly learned: Learned }>,
  lessons: readonly Lesson[],
  keyOf: (subject: Subject) => K,
): void {
  for (const { subject, add = {}, helo } of lessons) {
    const key = keyOf(subject);
    const before = into.get(key)?.learned;
    const sum: Partial<Record<keyof Counts, number>> = { ...before?.add };
    for (const name of COUNTERS) {
      const amount = add[name];
      if (amount !== undefined && Number.isFinite(amount)) sum[name] = (sum[name] ?? 0) + amount;
    }
    const helos = [...(before?.helos ?? []).filter((one) => one !== helo), ...(helo ? [helo] : [])];
    into.set(key, { subject, learned: { add: sum, helos: helos.slice(-HELO_NAMES) } });
  }
}

function withHelo(seen: readonly HeloSeen[], helo: string, at: number): readonly HeloSeen[] {
  const name = helo.toLowerCase().slice(0, HELO_NAME_LENGTH);
  const others = seen.filter((one) => one.name !== name && at - one.at < HELO_LIFE_MS);
  return [{ name, at }, ...others].slice(0, HELO_NAMES);
}

function decay(ms: number, halfLifeMs: number): number {
  return 0.5 ** (ms / halfLifeMs);
}
