import type { Clock } from "../../base/clock.ts";
import type { Metrics } from "../../base/metrics.ts";
import type { ClamdHost } from "./clamd-host.ts";
import type { ScanResult } from "./scanner.ts";

const SECONDS = [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 60];

/** Returns the function that counts one finished scan of a message. */
export function countScans(metrics: Metrics): (result: ScanResult, ms: number) => void {
  const scans = metrics.counter(
    "postern_antivirus_scans_total",
    "Messages given to the virus scanner, by result",
    ["result"],
  );
  const seconds = metrics.histogram(
    "postern_antivirus_scan_seconds",
    "Time for one message with all its parts, waiting for a slot included",
    SECONDS,
  );
  return (result, ms) => {
    scans.add({ result: result.kind === "not-scanned" ? result.class : result.kind });
    seconds.observe(ms / 1000);
  };
}

export function exposeHosts(metrics: Metrics, clock: Clock, hosts: readonly ClamdHost[]): void {
  metrics.gauge(
    "postern_clamd_down_addresses",
    "Configured clamd addresses that do not answer",
    () => hosts.filter((host) => host.health.isDown()).length,
  );
  metrics.gauge("postern_clamd_scans", "Messages that hold a scanner slot", () =>
    hosts.reduce((sum, host) => sum + host.inUse(), 0),
  );
  metrics.gauge("postern_clamd_waiting", "Messages that wait for a scanner slot", () =>
    hosts.reduce((sum, host) => sum + host.waiting(), 0),
  );
  metrics.gauge(
    "postern_clamd_database_age_seconds",
    "Age of the oldest signature database in use; NaN when none names its date",
    () => oldestAgeSeconds(clock, hosts),
  );
}

function oldestAgeSeconds(clock: Clock, hosts: readonly ClamdHost[]): number {
  const dates = hosts.flatMap((host) => host.health.version()?.databaseDate ?? []);
  return dates.length === 0 ? Number.NaN : (clock.now() - Math.min(...dates)) / 1000;
}
