import type { DnsblOptions } from "./dnsbl-options.ts";
import type { ZoneStatistics } from "./zone-statistics.ts";

/** What one zone of the policy does for it. Numbers of clients. */
export interface ZoneWorth {
  readonly zone: string;
  readonly label: string;
  /** Scores of its lists, in the order of the file. */
  readonly scores: readonly number[];
  readonly answered: number;
  readonly silent: number;
  /** Of one question; null: none is on record. */
  readonly meanMs: number | null;
  readonly listed: number;
  /** Listed by it and by no other of its kind (bad or good). */
  readonly alone: number;
  /** Would not be refused without it. Null: no list of the policy refuses, or its scores differ. */
  readonly decides: number | null;
  /** The zone of its kind that lists most of the same, and how many. */
  readonly overlap: { readonly label: string; readonly clients: number } | null;
  readonly reason: string | null;
  readonly demoted: string | null;
}

interface Zone {
  readonly zone: string;
  readonly label: string;
  readonly scores: readonly number[];
  readonly isGood: boolean;
}

/** Under the policy of today, whatever was in force when the mail came. */
export function weighZones(
  statistics: ZoneStatistics,
  options: DnsblOptions,
): readonly ZoneWorth[] {
  const zones = toZones(options);
  return zones.map((zone) => weigh(zone, zones, statistics, options));
}

function toZones({ lists }: DnsblOptions): readonly Zone[] {
  return [...Map.groupBy(lists, ({ zone }) => zone)].map(([zone, own]) => ({
    zone,
    label: own.find(({ name }) => name !== undefined)?.name ?? zone,
    scores: own.map(({ score }) => score),
    isGood: own.every(({ score }) => score <= 0),
  }));
}

function weigh(
  own: Zone,
  zones: readonly Zone[],
  { patterns, zones: counts }: ZoneStatistics,
  options: DnsblOptions,
): ZoneWorth {
  const { zone, label, scores, isGood } = own;
  const kin = zones.filter((other) => other.isGood === isGood && other !== own);
  const mine = patterns.filter(({ listedBy }) => listedBy.includes(zone));
  const count = (those: ZoneStatistics["patterns"]) =>
    those.reduce((total, { clients }) => total + clients, 0);
  const shared = kin
    .map((other) => ({
      label: other.label,
      clients: count(mine.filter(({ listedBy }) => listedBy.includes(other.zone))),
    }))
    .toSorted((a, b) => b.clients - a.clients)[0];
  const alone = mine.filter(({ listedBy }) => !kin.some((other) => listedBy.includes(other.zone)));
  const seen = counts.find((one) => one.zone === zone);
  return {
    zone,
    label,
    scores,
    answered: seen?.answered ?? 0,
    silent: seen?.silent ?? 0,
    meanMs: seen && seen.asked > 0 ? Math.round(seen.totalMs / seen.asked) : null,
    listed: count(mine),
    alone: count(alone),
    decides: isGood ? null : decidesOf(zone, zones, mine, options.rejectAt),
    overlap: shared && shared.clients > 0 ? shared : null,
    reason: seen?.reason ?? null,
    demoted: seen?.demoted ?? null,
  };
}

/** Patterns do not tell which answers came: only where a zone has one score its part is known. */
function decidesOf(
  zone: string,
  zones: readonly Zone[],
  mine: ZoneStatistics["patterns"],
  rejectAt: number | null,
): number | null {
  if (rejectAt === null) return null;
  let total = 0;
  for (const { listedBy, clients } of mine) {
    const those = zones.filter((one) => listedBy.includes(one.zone));
    if (those.some(({ scores }) => scores.length !== 1)) return null;
    const scoreOf = (some: readonly Zone[]) =>
      some.reduce((sum, { scores }) => sum + (scores[0] ?? 0), 0);
    const without = scoreOf(those.filter((one) => one.zone !== zone));
    if (scoreOf(those) >= rejectAt && without < rejectAt) total += clients;
  }
  return total;
}
