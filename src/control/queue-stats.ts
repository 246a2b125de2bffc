import type { KnownEntry } from "../spool/spool.ts";

/** Upper ends of the classes of age, in minutes; the last class has none. */
const AGE_MINUTES: readonly number[] = [5, 10, 20, 40, 80, 160, 320, 640, 1280];

/** How many entries of which age, for whom. */
export interface QueueCount extends CountRow {
  readonly ageMinutes: readonly number[];
  /** The fullest first. An entry counts for each of its domains, the first few. */
  readonly domains: readonly (CountRow & { readonly domain: string })[];
}

export interface CountRow {
  readonly entries: number;
  readonly held: number;
  readonly active: number;
  readonly bytes: number;
  /** Entries by age, one more class than `ageMinutes`. */
  readonly ages: readonly number[];
}

interface Tally {
  entries: number;
  held: number;
  active: number;
  bytes: number;
  readonly ages: number[];
}

export function countQueue(entries: readonly KnownEntry[], now: number): QueueCount {
  const total = createTally();
  const byDomain = new Map<string, Tally>();
  for (const entry of entries) {
    add(total, entry, now);
    for (const domain of entry.known?.domains ?? []) {
      const tally = byDomain.get(domain) ?? createTally();
      byDomain.set(domain, tally);
      add(tally, entry, now);
    }
  }
  const rows = [...byDomain].map(([domain, tally]) => ({ domain, ...tally }));
  rows.sort((a, b) => b.entries - a.entries || (a.domain < b.domain ? -1 : 1));
  return { ...total, ageMinutes: AGE_MINUTES, domains: rows };
}

function createTally(): Tally {
  return { entries: 0, held: 0, active: 0, bytes: 0, ages: [...AGE_MINUTES, 0].map(() => 0) };
}

function add(tally: Tally, { state, known }: KnownEntry, now: number): void {
  tally.entries += 1;
  if (state === "held") tally.held += 1;
  if (state === "active") tally.active += 1;
  if (!known) return;
  tally.bytes += known.bytes;
  const minutes = (now - known.receivedAt) / 60_000;
  const nth = AGE_MINUTES.findIndex((end) => minutes < end);
  const place = nth < 0 ? AGE_MINUTES.length : nth;
  tally.ages[place] = (tally.ages[place] ?? 0) + 1;
}
