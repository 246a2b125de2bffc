import type { Clock } from "../../base/clock.ts";
import { errorText } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { Metrics } from "../../base/metrics.ts";
import { startRounds } from "../../base/rounds.ts";
import { prefixKey } from "../../net/ip.ts";
import type { ListedZone } from "./dnsbl-options.ts";
import { matchingScores, type ZoneEvidence } from "./query-zones.ts";
import type { KeptRates, RateStore } from "./rate-store.ts";
import { type BreakerOptions, ZoneRate } from "./zone-rate.ts";

/**
 * The breaker of all zones. Told of what every client's zones said, it says which of their listings
 * refuse nobody. One object a process: several processes each see their part of the clients, and each
 * demotes by what it sees.
 */
export interface ZoneRates {
  /** The evidence with `demoted` where a listing only counts as a score. Never rejects. */
  weigh(
    client: string,
    zones: readonly ListedZone[],
    said: readonly ZoneEvidence[],
    options: BreakerOptions | null,
  ): Promise<readonly ZoneEvidence[]>;
  close(): Promise<void>;
}

export interface ZoneRatesOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly store: RateStore;
}

/** What a crash takes is an hour of habit; what is demoted is kept at once. */
const KEEP_EVERY_MS = 60 * 60 * 1000;

export function createZoneRates(options: ZoneRatesOptions): ZoneRates {
  const memory = createRateMemory(options);
  const tell = createTeller(options, () => void memory.keep());
  return {
    async weigh(client, zones, said, breaker) {
      if (breaker === null) return said;
      const rateOf = await memory.open();
      const network = prefixKey(client);
      const judged = zones.flatMap((zone) => {
        const evidence = said.find((one) => one.zone === zone.zone);
        return evidence ? [{ zone, evidence, isBad: isBadListing(zone, evidence) }] : [];
      });
      const believed = judged.filter(
        ({ zone, isBad }) => isBad && rateOf(zone.zone).demotion(breaker) === null,
      );
      return judged.map(({ zone, evidence, isBad }) => {
        if (evidence.status !== "listed" && evidence.status !== "clean") return evidence;
        const isListed = evidence.status === "listed";
        const isConfirmed = isBad && believed.some((other) => other.zone !== zone);
        const rate = rateOf(zone.zone);
        rate.note(network, isListed && !isConfirmed);
        const demoted = rate.demotion(breaker);
        tell(zone, demoted);
        return isListed && demoted !== null ? { ...evidence, demoted } : evidence;
      });
    },
    close: memory.close,
  };
}

/** The rates by zone, and the file that keeps them. */
function createRateMemory({ clock, log, store }: ZoneRatesOptions) {
  const rates = new Map<string, ZoneRate>();
  let known: Promise<KeptRates> | null = null;
  let writing = Promise.resolve();
  let stopRounds = () => {};
  /** One after the other, so that the last is what stays. */
  const keep = () => {
    writing = writing.then(async () => {
      if (rates.size === 0) return;
      const all = new Map([...rates].map(([zone, rate]) => [zone, rate.kept()]));
      await store
        .write(all)
        .catch((error: unknown) => log.warn("dnsbl-rates-not-kept", { reason: errorText(error) }));
    });
    return writing;
  };
  const load = async () => {
    const found = await store.read().catch((error: unknown): KeptRates => {
      log.warn("dnsbl-rates-unreadable", { reason: errorText(error) });
      return new Map();
    });
    stopRounds = startRounds(clock, KEEP_EVERY_MS, keep);
    return found;
  };
  return {
    keep,
    async open() {
      known ??= load();
      const kept = await known;
      return (zone: string): ZoneRate => {
        const rate = rates.get(zone) ?? new ZoneRate(clock, kept.get(zone) ?? null);
        rates.set(zone, rate);
        return rate;
      };
    },
    async close() {
      stopRounds();
      await keep();
    },
  };
}

/** A list of good clients confirms nothing that a list of bad ones says. */
function isBadListing(zone: ListedZone, evidence: ZoneEvidence): boolean {
  if (evidence.status !== "listed") return false;
  return matchingScores(zone, evidence.answers).some((score) => score > 0);
}

/** Says each change once: an alert for the log, a gauge for the dashboard. */
function createTeller({ log, metrics }: ZoneRatesOptions, onChange: () => void) {
  const demoted = new Set<string>();
  metrics.gauge(
    "postern_dnsbl_zones_demoted",
    "DNSBL zones whose listings refuse nobody because they list far more than by habit",
    () => demoted.size,
    "max",
  );
  return ({ zone, label }: ListedZone, reason: string | null) => {
    if ((reason !== null) === demoted.has(zone)) return;
    if (reason === null) {
      demoted.delete(zone);
      log.info("dnsbl-zone-believed-again", { zone: label });
    } else {
      demoted.add(zone);
      log.warn("dnsbl-zone-demoted", { zone: label, reason });
    }
    onChange();
  };
}
