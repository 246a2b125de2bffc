import { hash } from "node:crypto";
import { type Clock, startDeadline } from "../../base/clock.ts";
import { errorText } from "../../base/errors.ts";
import type { Ids } from "../../base/ids.ts";
import type { Log } from "../../base/log.ts";
import type { Metrics } from "../../base/metrics.ts";
import type { Address } from "../../mail/address.ts";
import type { HttpsClient } from "../../net/https-exchange.ts";
import { createLookupScope, type Resolver } from "../../net/resolver.ts";
import type { Routing, TlsReportPolicy } from "../../policy/snapshot.ts";
import type { Spool } from "../../spool/spool.ts";
import type { TlsSessionCounts } from "../../tracking/tracking.ts";
import { toMemorySource } from "../bounces/memory-source.ts";
import type { SignOwnMail } from "../mail-signer.ts";
import { type TlsReport, toTlsReport } from "./tls-report.ts";
import { toReportFile, toReportMail } from "./tls-report-mail.ts";
import { parseReportRecord, type ReportTarget } from "./tls-report-record.ts";

export interface TlsReporterDeps {
  readonly routing: () => Routing;
  readonly counts: TlsSessionCounts;
  readonly resolver: Resolver;
  readonly https: HttpsClient;
  readonly spool: Pick<Spool, "add">;
  /** Something was added to the spool. */
  readonly wake: () => void;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly ids: Ids;
  readonly hostname: string;
  /** Puts our signature under reports that go by mail. */
  readonly signOwnMail: SignOwnMail;
}

const DAY_MS = 24 * 60 * 60 * 1000;
/** RFC 8460 4.1: not all at midnight, but spread over some hours. */
const SPREAD_MS = 4 * 60 * 60 * 1000;
/** Sessions of the last minute must have been written down. */
const AFTER_MIDNIGHT_MS = 10 * 60 * 1000;
/** One report: the record, and the answers of those who want it. */
const REPORT_LIMIT_MS = 60_000;
/** The answer to a POST says nothing that we read. */
const MAX_ANSWER_BYTES = 64 * 1024;

/**
 * RFC 8460: tells each domain what our sessions with it were like on the day before, when it asks
 * for that. One round; what could not be sent is tried again in the next, until the day is over.
 * Never rejects.
 */
export function createTlsReporter(deps: TlsReporterDeps): () => Promise<void> {
  const sent = deps.metrics.counter(
    "postern_tls_reports_total",
    "TLS reports by what became of them",
    ["result"],
  );
  return async () => {
    const { clock, counts, log } = deps;
    const { tlsReports: policy } = deps.routing();
    if (!policy?.enabled) return;
    const now = clock.now();
    const midnight = now - (now % DAY_MS);
    const day = new Date(midnight - 1).toISOString().slice(0, 10);
    try {
      for (const domain of await counts.tlsDomains(day)) {
        if (clock.now() < midnight + AFTER_MIDNIGHT_MS + offsetOf(deps.hostname, domain)) continue;
        const result = await reportOn(deps, policy, domain, day);
        sent.add({ result });
        if (result !== "failed") await counts.noteTlsReport(day, domain);
      }
    } catch (error) {
      log.error("tls-reports-failed", { day, reason: errorText(error) });
    }
  };
}

/** The same each day, and another one for each domain. */
function offsetOf(hostname: string, domain: string): number {
  const digits = hash("sha256", `${hostname} ${domain}`).slice(0, 8);
  return (Number.parseInt(digits, 16) / 0xffffffff) * SPREAD_MS;
}

/** `unwanted`: the domain asks for none. */
type ReportResult = "sent" | "unwanted" | "failed";

async function reportOn(
  deps: TlsReporterDeps,
  policy: TlsReportPolicy,
  domain: string,
  day: string,
): Promise<ReportResult> {
  const { clock, resolver, counts, log, hostname } = deps;
  const deadline = startDeadline(clock, REPORT_LIMIT_MS);
  try {
    const scope = createLookupScope(deadline.signal);
    const answer = await resolver.lookup(`_smtp._tls.${domain}`, "TXT", scope);
    if (answer.kind === "none" || answer.kind === "refused") return "unwanted";
    if (answer.kind !== "found") {
      log.warn("tls-report-not-sent", { domain, day, reason: answer.reason });
      return "failed";
    }
    const targets = parseReportRecord(answer.records);
    if (targets.length === 0) return "unwanted";
    const sender = { ...policy, hostname, organization: policy.organization ?? hostname };
    const report = toTlsReport(domain, day, await counts.tlsSessions(day, domain), sender);
    const send = (target: ReportTarget) =>
      target.kind === "mail"
        ? mail(deps, report, policy.from, target.to)
        : post(deps, report, target.url, deadline.signal);
    const results = targets.map((target) => attempt(deps, report, target, send));
    return (await Promise.all(results)).includes(true) ? "sent" : "failed";
  } finally {
    deadline.clear();
  }
}

/** Never rejects: the other targets of the domain may do. */
async function attempt(
  { log }: TlsReporterDeps,
  { domain, day }: TlsReport,
  target: ReportTarget,
  send: (target: ReportTarget) => Promise<void>,
): Promise<boolean> {
  const to = target.kind === "mail" ? target.to.spoken : target.url.href;
  try {
    await send(target);
    log.info("tls-report-sent", { domain, day, to });
    return true;
  } catch (error) {
    log.warn("tls-report-not-sent", { domain, day, to, reason: errorText(error) });
    return false;
  }
}

/**
 * Through our own relay. It goes also where DANE or MTA-STS would not let mail go: it tells of just
 * that (RFC 8460 3).
 */
async function mail(
  deps: TlsReporterDeps,
  report: TlsReport,
  from: Address,
  to: Address,
): Promise<void> {
  const { hostname, clock, ids, routing } = deps;
  if (!routing().route(to.domain)) throw new Error(`no connector takes mail to ${to.domain}`);
  const now = clock.now();
  const bytes = toReportMail(report, { from, to, hostname, now });
  await deps.spool.add(
    {
      transactionId: ids.transaction(),
      envelope: {
        sender: from,
        recipients: [{ address: to }],
        mail: { body: "7bit", smtputf8: false },
      },
      // Ours: a bounce goes to whoever answers for the reports.
      senderAuthenticated: true,
      needs: { eightBitMime: false, smtpUtf8: false },
      ignoresTlsPolicies: true,
      receivedAt: now,
      dueAt: now,
      reason: "a TLS report",
    },
    await deps.signOwnMail(toMemorySource(bytes)),
  );
  deps.wake();
}

async function post(
  { https }: TlsReporterDeps,
  report: TlsReport,
  url: URL,
  signal: AbortSignal,
): Promise<void> {
  const outcome = await https.exchange(
    {
      host: url.hostname,
      port: url.port === "" ? 443 : Number(url.port),
      path: `${url.pathname}${url.search}`,
      method: "POST",
      headers: { "content-type": "application/tlsrpt+gzip" },
      body: toReportFile(report),
      maxBytes: MAX_ANSWER_BYTES,
      // Any domain that we once wrote to could name any host of ours (threats.md W7).
      isStrangers: !`.${url.hostname}`.endsWith(`.${report.domain}`),
    },
    signal,
  );
  if (outcome.kind === "failed") throw new Error(outcome.reason);
  if (outcome.status < 200 || outcome.status > 299)
    throw new Error(`the receiver answered ${outcome.status}`);
}
