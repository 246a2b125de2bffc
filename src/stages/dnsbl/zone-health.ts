import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { Metrics } from "../../base/metrics.ts";
import type { Resolver } from "../../net/resolver.ts";
import type { CanaryResult } from "./zone-canary.ts";
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
  record(zone: HealthZone, outcome: ZoneOutcome, reason?: string, tookMs?: number): void;
  /** For console, doctor and readiness. */
  zones(): readonly (ZoneStanding & { readonly zone: string })[];
  close(): void;
}

export interface ZoneHealthOptions {
  readonly resolver: Resolver;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

export function createZoneHealth(options: ZoneHealthOptions): ZoneHealth {
  const { clock, resolver, log } = options;
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
    record(zone, outcome, reason = "", tookMs) {
      if (tookMs !== undefined) count.took(tookMs, zone.label);
      count.lookup({ zone: zone.label, status: outcome });
      if (outcome === "hijacked") find(zone).disable(reason);
      if (outcome === "error" || outcome === "temporary") find(zone).suspect();
    },
    zones: () =>
      [...watches.values()].map((watch) => ({ zone: watch.zone.label, ...watch.standing() })),
    close() {
      for (const watch of watches.values()) watch.stop();
      watches.clear();
    },
  };
}

function logChange(log: Log, zone: HealthZone, before: ZoneStanding, after: ZoneStanding): void {
  if (after.kind === "disabled")
    log.warn("dnsbl-zone-disabled", { zone: zone.label, reason: after.reason });
  else if (before.kind === "disabled") log.info("dnsbl-zone-enabled", { zone: zone.label });
}

/** Seconds: out of the cache, a near server, a far one, and what the wall cuts off. */
const LOOKUP_BUCKETS = [0.002, 0.02, 0.1, 0.3, 1, 3];

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
  const times = metrics.histogram(
    "postern_dnsbl_lookup_seconds",
    "How long DNSBL zones took to answer about a client",
    LOOKUP_BUCKETS,
    ["zone"],
  );
  metrics.gauge(
    "postern_dnsbl_zones_disabled",
    "DNSBL zones that are not asked because they failed",
    () => standings().filter(({ kind }) => kind === "disabled").length,
  );
  return {
    took: (ms: number, zone: string) => times.observe(ms / 1000, { zone }),
    lookup: (labels: { zone: string; status: ZoneOutcome }) => lookups.add(labels),
    canary: (labels: { zone: string; result: CanaryResult["kind"] }) => canaries.add(labels),
  };
}
