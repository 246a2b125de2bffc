import type { Clock } from "../../base/clock.ts";
import { errorText } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { Metrics } from "../../base/metrics.ts";
import { startRounds } from "../../base/rounds.ts";
import type { ListedZone } from "./dnsbl-options.ts";
import type { ZoneEvidence } from "./query-zones.ts";
import type { KeptRates, RateStore } from "./rate-store.ts";
import {
  markDemoted,
  toClientNote,
  type ZoneDemotion,
  type ZoneNotes,
  type ZoneSaid,
} from "./zone-notes.ts";
import { type BreakerOptions, ZoneRate } from "./zone-rate.ts";

/**
 * The breaker of all zones. Told of what every client's zones said, it says which of their listings
 * refuse nobody. One object a gateway, in how many processes it may run: a rate is the rate of all.
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

/** Of the process that keeps them. */
export interface ZoneRatesOwner extends ZoneRates {
  /** Notes clients; answers what is demoted now. Never rejects. */
  take(notes: ZoneNotes): Promise<readonly ZoneDemotion[]>;
}

export interface ZoneRatesOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly store: RateStore;
}

/** What a crash takes is an hour of habit; what is demoted is kept at once. */
const KEEP_EVERY_MS = 60 * 60 * 1000;

export function createZoneRates(options: ZoneRatesOptions): ZoneRatesOwner {
  const memory = createRateMemory(options);
  const tell = createTeller(options, () => void memory.keep());
  const take: ZoneRatesOwner["take"] = async ({ breaker, clients }) => {
    const { rateOf, all } = await memory.open();
    for (const { network, said } of clients) {
      const isBelieved = ({ zone, kind }: ZoneSaid) =>
        kind === "bad" && rateOf(zone).demotion(breaker) === null;
      const believed = said.filter(isBelieved);
      for (const one of said) {
        const isConfirmed = one.kind === "bad" && believed.some((other) => other !== one);
        const rate = rateOf(one.zone);
        rate.note(network, one.kind !== "clean" && !isConfirmed);
        tell(one, rate.demotion(breaker));
      }
    }
    return [...all()].flatMap(([zone, rate]) => {
      const reason = rate.demotion(breaker);
      return reason === null ? [] : [{ zone, reason }];
    });
  };
  return {
    take,
    async weigh(client, zones, said, breaker) {
      if (breaker === null) return said;
      const demotions = await take({ breaker, clients: [toClientNote(client, zones, said)] });
      return markDemoted(said, new Map(demotions.map(({ zone, reason }) => [zone, reason])));
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
    // What was demoted before a restart is, for whoever asks first.
    for (const [zone, kept] of found)
      if (kept.demoted !== null) rates.set(zone, new ZoneRate(clock, kept));
    stopRounds = startRounds(clock, KEEP_EVERY_MS, keep);
    return found;
  };
  return {
    keep,
    async open() {
      known ??= load();
      const kept = await known;
      const rateOf = (zone: string): ZoneRate => {
        const rate = rates.get(zone) ?? new ZoneRate(clock, kept.get(zone) ?? null);
        rates.set(zone, rate);
        return rate;
      };
      return { rateOf, all: () => rates };
    },
    async close() {
      stopRounds();
      await keep();
    },
  };
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
  return ({ zone, label }: ZoneSaid, reason: string | null) => {
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
