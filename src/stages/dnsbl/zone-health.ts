import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { Metrics } from "../../base/metrics.ts";
import type { Resolver } from "../../net/resolver.ts";
import type { ListedZone } from "./dnsbl-options.ts";
import type { BreakerRules } from "./hit-rate-breaker.ts";
import { matchingScores, type ZoneEvidence } from "./query-zones.ts";
import type { CanaryResult } from "./zone-canary.ts";
import { NO_LEDGER, type ZoneLedger } from "./zone-ledger.ts";
import { createZoneTally, type ZoneSaid } from "./zone-tally.ts";
import { type HealthZone, type ZoneStanding, ZoneWatch } from "./zone-watch.ts";

export type ZoneOutcome = "listed" | "clean" | "error" | "hijacked" | "disabled" | "temporary";

/**
 * Which DNSBL zones may be believed. Dead lists have answered "listed" for everybody, so each zone
 * is asked for its test entries (RFC 5782 5) when it is first used and every 15 minutes after; a
 * zone that fails is not asked for clients until it passes. Canaries run in the background: mail
 * waits for one only when a zone that has not proven itself yet calls the client listed.
 * One object a gateway, shared by all sessions.
 */
export interface ZoneHealth {
  /** A zone never seen before is unproven, and its canary is on the way. */
  standing(zone: HealthZone): ZoneStanding;
  /** The standing once the first canary is back, or when the signal ends the wait. */
  proven(zone: HealthZone, signal: AbortSignal): Promise<ZoneStanding>;
  /** Told of every answer: counts it, and takes a closer look at a zone that misbehaves. */
  record(zone: HealthZone, outcome: ZoneOutcome, reason?: string): void;
  /** Of all zones for one client: for statistics, and to find out a zone that lists the world. */
  count(ip: string, all: readonly ZoneAsked[], rules: BreakerRules | null): void;
  /** Why the zone may not refuse anybody now, though its canary passes; null: it may. */
  demoted(zone: HealthZone): string | null;
  /** For console, doctor and readiness. */
  zones(): readonly (ZoneStanding & { readonly zone: string })[];
  close(): void;
}

export interface ZoneAsked {
  readonly zone: ListedZone;
  readonly evidence: ZoneEvidence;
  readonly ms: number;
}

export interface ZoneHealthOptions {
  readonly resolver: Resolver;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Of all processes of the gateway. Default: none, and every zone is believed. */
  readonly ledger?: ZoneLedger;
}

export function createZoneHealth(options: ZoneHealthOptions): ZoneHealth {
  const { clock, resolver, log, ledger = NO_LEDGER } = options;
  const tally = createZoneTally(ledger, { clock, log });
  const watches = new Map<string, ZoneWatch>();
  const count = createCounters(options.metrics, () =>
    [...watches.values()].map((watch) => watch.standing()),
  );
  const startWatch = (zone: HealthZone): ZoneWatch => {
    const watch = new ZoneWatch(zone, {
      clock,
      resolver,
      onCanary: ({ kind }) => count.canary({ zone: zone.label, result: kind }),
      onChange: (before, after) => logChange(log, zone, before, after),
      onForgotten: () => watches.delete(zone.zone),
    });
    watches.set(zone.zone, watch);
    return watch;
  };
  const find = (zone: HealthZone): ZoneWatch => {
    const watch = watches.get(zone.zone) ?? startWatch(zone);
    watch.touch();
    return watch;
  };
  return {
    standing: (zone) => find(zone).standing(),
    proven: (zone, signal) => find(zone).proven(signal),
    record(zone, outcome, reason = "") {
      count.lookup({ zone: zone.label, status: outcome });
      if (outcome === "hijacked") find(zone).disable(reason);
      if (outcome === "error" || outcome === "temporary") find(zone).suspect();
    },
    count(ip, all, rules) {
      for (const { zone, ms } of all) count.seconds(ms / 1000, zone.label);
      tally.count(
        ip,
        all.map((one) => toSaid(one, find(one.zone).standing())),
        rules,
      );
    },
    demoted: (zone) => tally.demoted(zone.label),
    zones: () =>
      [...watches.values()].map((watch) => ({ zone: watch.zone.label, ...watch.standing() })),
    close() {
      tally.close();
      for (const watch of watches.values()) watch.stop();
      watches.clear();
    },
  };
}

function toSaid({ zone, evidence, ms }: ZoneAsked, standing: ZoneStanding): ZoneSaid {
  const about = { label: zone.label, ms, standing: standing.kind };
  if (evidence.status === "clean") return { ...about, said: "clean" };
  if (evidence.status !== "listed") return { ...about, said: "nothing" };
  const isBad = matchingScores(zone, evidence.answers).some((score) => score > 0);
  return { ...about, said: isBad ? "bad" : "good" };
}

function logChange(log: Log, zone: HealthZone, before: ZoneStanding, after: ZoneStanding): void {
  if (after.kind === "disabled")
    log.warn("dnsbl-zone-disabled", { zone: zone.label, reason: after.reason });
  else if (before.kind === "disabled") log.info("dnsbl-zone-enabled", { zone: zone.label });
}

const ZONE_SECONDS = [0.005, 0.02, 0.1, 0.5, 1, 2, 4] as const;

function createCounters(metrics: Metrics, standings: () => readonly ZoneStanding[]) {
  const lookups = metrics.counter(
    "postern_dnsbl_lookups_total",
    "DNSBL look-ups of clients by zone and status",
    ["zone", "status"],
  );
  const canaries = metrics.counter(
    "postern_dnsbl_canaries_total",
    "DNSBL canaries (RFC 5782 5) by zone and result",
    ["zone", "result"],
  );
  metrics.gauge(
    "postern_dnsbl_zones_disabled",
    "DNSBL zones that are not asked because they failed",
    () => standings().filter(({ kind }) => kind === "disabled").length,
  );
  const seconds = metrics.histogram(
    "postern_dnsbl_seconds",
    "How long a DNSBL zone took to answer for a client",
    ZONE_SECONDS,
    ["zone"],
  );
  return {
    seconds: (value: number, zone: string) => seconds.observe(value, { zone }),
    lookup: (labels: { zone: string; status: ZoneOutcome }) => lookups.add(labels),
    canary: (labels: { zone: string; result: CanaryResult["kind"] }) => canaries.add(labels),
  };
}
