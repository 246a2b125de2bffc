import { hash } from "node:crypto";
import { type Clock, startDeadline } from "../../base/clock.ts";
import { errorText } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { Metrics } from "../../base/metrics.ts";

/** Reports that domains ask for about the day before: of the TLS of their servers, of DMARC. */
export interface DailyReports {
  /** In log lines and metrics: `tls` makes `tls-report-sent` and `postern_tls_reports_total`. */
  readonly name: "tls" | "dmarc";
  isEnabled(): boolean;
  /** With something to tell of that day (a date in UTC) that `note` was not called for. */
  domains(day: string): Promise<readonly string[]>;
  /** May reject, which counts as failed. */
  send(domain: string, day: string, signal: AbortSignal): Promise<ReportResult>;
  /** Durable when it resolves: nothing more is sent about that domain and day. */
  note(day: string, domain: string): Promise<void>;
}

/** `unwanted`: the domain asks for none. `failed`: tried again until the day is over. */
export type ReportResult = "sent" | "unwanted" | "failed";

export interface DailyReportDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly hostname: string;
}

const DAY_MS = 24 * 60 * 60 * 1000;
/** RFC 8460 4.1: not all at midnight, but spread over some hours. */
const SPREAD_MS = 4 * 60 * 60 * 1000;
/** What the last minute brought must have been written down. */
const AFTER_MIDNIGHT_MS = 10 * 60 * 1000;
/** One report: what DNS says of who wants it, and the answers of those who do. */
const REPORT_LIMIT_MS = 60_000;
/** A domain whose servers let us wait must not keep all others from their reports. */
const AT_ONCE = 8;

/**
 * One round: sends what is due by now. What could not be sent is tried again in the next, until the
 * day is over. Never rejects.
 */
export function createDailyReports(
  deps: DailyReportDeps,
  reports: DailyReports,
): () => Promise<void> {
  const { clock, log, metrics, hostname } = deps;
  const { name } = reports;
  const sent = metrics.counter(
    `postern_${name}_reports_total`,
    `${name.toUpperCase()} reports by what became of them`,
    ["result"],
  );
  const reportOn = async (domain: string, day: string) => {
    const deadline = startDeadline(clock, REPORT_LIMIT_MS);
    const result = await reports
      .send(domain, day, deadline.signal)
      .catch((error: unknown): ReportResult => {
        log.warn(`${name}-report-not-sent`, { domain, day, reason: errorText(error) });
        return "failed";
      })
      .finally(() => deadline.clear());
    sent.add({ result });
    if (result !== "failed") await reports.note(day, domain);
  };
  return async () => {
    if (!reports.isEnabled()) return;
    const now = clock.now();
    const midnight = now - (now % DAY_MS);
    const day = new Date(midnight - 1).toISOString().slice(0, 10);
    const isDue = (domain: string) =>
      now >= midnight + AFTER_MIDNIGHT_MS + offsetOf(hostname, domain);
    try {
      const due = (await reports.domains(day)).filter(isDue);
      for (let at = 0; at < due.length; at += AT_ONCE)
        await Promise.all(due.slice(at, at + AT_ONCE).map((domain) => reportOn(domain, day)));
    } catch (error) {
      log.error(`${name}-reports-failed`, { day, reason: errorText(error) });
    }
  };
}

/** The same each day, and another one for each domain. */
function offsetOf(hostname: string, domain: string): number {
  const digits = hash("sha256", `${hostname} ${domain}`).slice(0, 8);
  return (Number.parseInt(digits, 16) / 0xffffffff) * SPREAD_MS;
}
