import { errorText } from "../../base/errors.ts";
import type { Address } from "../../mail/address.ts";
import type { HttpsClient } from "../../net/https-exchange.ts";
import { createLookupScope, type Resolver } from "../../net/resolver.ts";
import type { ReportPolicy } from "../../policy/snapshot.ts";
import type { TlsSessionCounts } from "../../tracking/tracking.ts";
import {
  createDailyReports,
  type DailyReportDeps,
  type ReportResult,
} from "../reports/daily-reports.ts";
import { reportMessageId, reportSubject } from "../reports/report-message.ts";
import { type SpoolReportDeps, spoolReport } from "../reports/spool-report.ts";
import { type TlsReport, toTlsReport } from "./tls-report.ts";
import { toReportFile, toReportMail } from "./tls-report-mail.ts";
import { parseReportRecord, type ReportTarget } from "./tls-report-record.ts";

export interface TlsReporterDeps extends DailyReportDeps, SpoolReportDeps {
  readonly counts: TlsSessionCounts;
  readonly resolver: Resolver;
  readonly https: HttpsClient;
}

/** The answer to a POST says nothing that we read. */
const MAX_ANSWER_BYTES = 64 * 1024;

/**
 * RFC 8460: tells each domain what our sessions with it were like on the day before, when it asks
 * for that. One round. Never rejects.
 */
export function createTlsReporter(deps: TlsReporterDeps): () => Promise<void> {
  const { counts } = deps;
  const policy = () => deps.routing().tlsReports;
  return createDailyReports(deps, {
    name: "tls",
    isEnabled: () => policy()?.enabled === true,
    domains: counts.tlsDomains,
    note: counts.noteTlsReport,
    async send(domain, day, signal) {
      const own = policy();
      return own ? reportOn(deps, own, domain, day, signal) : "failed";
    },
  });
}

async function reportOn(
  deps: TlsReporterDeps,
  policy: ReportPolicy,
  domain: string,
  day: string,
  signal: AbortSignal,
): Promise<ReportResult> {
  const { resolver, counts, hostname } = deps;
  const scope = createLookupScope(signal);
  const answer = await resolver.lookup(`_smtp._tls.${domain}`, "TXT", scope);
  if (answer.kind === "none" || answer.kind === "refused") return "unwanted";
  if (answer.kind !== "found") throw new Error(answer.reason);
  const targets = parseReportRecord(answer.records);
  if (targets.length === 0) return "unwanted";
  const sender = { ...policy, hostname, organization: policy.organization ?? hostname };
  const report = toTlsReport(domain, day, await counts.tlsSessions(day, domain), sender);
  const send = (target: ReportTarget) =>
    target.kind === "mail"
      ? mail(deps, report, policy.from, target.to)
      : post(deps, report, target.url, signal);
  const results = targets.map((target) => attempt(deps, report, target, send));
  return (await Promise.all(results)).includes(true) ? "sent" : "failed";
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
 * It goes also where DANE or MTA-STS would not let mail go: it tells of just
 * that (RFC 8460 3).
 */
async function mail(
  deps: TlsReporterDeps,
  report: TlsReport,
  from: Address,
  to: Address,
): Promise<void> {
  const { hostname, clock } = deps;
  const { domain, day } = report;
  const now = clock.now();
  const bytes = toReportMail(report, { from, to, hostname, now });
  await spoolReport(deps, {
    from,
    to,
    subject: reportSubject(report, hostname),
    messageId: reportMessageId(report, now),
    bytes,
    ignoresTlsPolicies: true,
    about: { kind: "TLS", domain, day },
  });
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
