import { z } from "zod";
import type { ZoneCounts } from "./zone-ledger.ts";

const count = z.number().min(0);
const tally = z.object({
  asked: count,
  listed: count,
  lone: count,
  failed: count,
  totalMs: count,
  slowestMs: count,
  shared: z.record(z.string(), count),
  /** What counts as usual: without the time of a jump. */
  learnedAsked: count,
  learnedHits: count,
});

export const bookSchema = z.object({
  /** By date in UTC, then by label. */
  days: z.record(z.string().regex(/^\d{4}-\d{2}-\d{2}$/), z.record(z.string(), tally)),
  demoted: z.record(z.string(), z.string()),
});

/** What is kept of the zones over restarts. */
export type ZoneBook = z.infer<typeof bookSchema>;
export type ZoneTallies = z.infer<typeof tally>;

/** Days that count as usual, today among them; older ones are forgotten. */
const DAYS_KEPT = 8;
/** Policies name 32 lists at most; those of earlier policies are in older days. */
const MAX_LABELS = 64;

export const EMPTY_TALLY: ZoneTallies = {
  asked: 0,
  listed: 0,
  lone: 0,
  failed: 0,
  totalMs: 0,
  slowestMs: 0,
  shared: {},
  learnedAsked: 0,
  learnedHits: 0,
};

export function addCounts(tallies: ZoneTallies, counts: ZoneCounts): ZoneTallies {
  const { asked, listed, lone, failed, totalMs, slowestMs, shared } = counts;
  return {
    ...tallies,
    asked: tallies.asked + asked,
    listed: tallies.listed + listed,
    lone: tallies.lone + lone,
    failed: tallies.failed + failed,
    totalMs: tallies.totalMs + totalMs,
    slowestMs: Math.max(tallies.slowestMs, slowestMs),
    shared: addShared(tallies.shared, shared),
  };
}

/** Of several days of one zone. */
export function sumTallies(all: readonly ZoneTallies[]): ZoneTallies {
  return all.reduce(
    (sum, one) => ({
      asked: sum.asked + one.asked,
      listed: sum.listed + one.listed,
      lone: sum.lone + one.lone,
      failed: sum.failed + one.failed,
      totalMs: sum.totalMs + one.totalMs,
      slowestMs: Math.max(sum.slowestMs, one.slowestMs),
      shared: addShared(sum.shared, one.shared),
      learnedAsked: sum.learnedAsked + one.learnedAsked,
      learnedHits: sum.learnedHits + one.learnedHits,
    }),
    EMPTY_TALLY,
  );
}

function addShared(
  a: Readonly<Record<string, number>>,
  b: Readonly<Record<string, number>>,
): Record<string, number> {
  const labels = [...new Set([...Object.keys(a), ...Object.keys(b)])].slice(0, MAX_LABELS);
  return Object.fromEntries(labels.map((label) => [label, (a[label] ?? 0) + (b[label] ?? 0)]));
}

/** The same book with another tally for one zone today. A zone too many is not kept. */
export function withTally(
  book: ZoneBook,
  day: string,
  label: string,
  change: (before: ZoneTallies) => ZoneTallies,
): ZoneBook {
  const today = book.days[day] ?? {};
  const isTooMany = !Object.hasOwn(today, label) && Object.keys(today).length >= MAX_LABELS;
  if (isTooMany) return book;
  const before = Object.hasOwn(today, label) ? (today[label] ?? EMPTY_TALLY) : EMPTY_TALLY;
  const days = { ...book.days, [day]: { ...today, [label]: change(before) } };
  const kept = Object.entries(days)
    .toSorted(([a], [b]) => (a < b ? 1 : -1))
    .slice(0, DAYS_KEPT);
  return { ...book, days: Object.fromEntries(kept) };
}

export function talliesOf({ days }: ZoneBook, label: string): ZoneTallies {
  return sumTallies(
    Object.values(days).flatMap((day) => (Object.hasOwn(day, label) ? (day[label] ?? []) : [])),
  );
}

export function labelsOf({ days, demoted }: ZoneBook): readonly string[] {
  const all = [...Object.values(days).flatMap(Object.keys), ...Object.keys(demoted)];
  return [...new Set(all)].toSorted();
}
