import { isDmarcRecord } from "../../auth/dmarc/dmarc-record.ts";
import { type ReportAddress, reportAddressesOf } from "../../auth/dmarc/report-address.ts";
import { errorText } from "../../base/errors.ts";
import { createLookupScope, type Resolver } from "../../net/resolver.ts";
import type { ReportPolicy } from "../../policy/snapshot.ts";
import type { DmarcCounts, DmarcDay } from "../../tracking/tracking.ts";
import {
  createDailyReports,
  type DailyReportDeps,
  type ReportResult,
} from "../reports/daily-reports.ts";
import { reportMessageId, reportSubject } from "../reports/report-message.ts";
import { type SpoolReportDeps, spoolReport } from "../reports/spool-report.ts";
import { type DmarcReport, toDmarcReport } from "./dmarc-report.ts";
import { toDmarcReportMail } from "./dmarc-report-mail.ts";
import { checkDestinations } from "./report-destinations.ts";

export interface DmarcReporterDeps extends DailyReportDeps, SpoolReportDeps {
  readonly counts: DmarcCounts;
  readonly resolver: Pick<Resolver, "lookup">;
}

/**
 * RFC 9990: tells the owner of each policy that asks for it what mail came in his name on the day
 * before. One round. Never rejects.
 */
export function createDmarcReporter(deps: DmarcReporterDeps): () => Promise<void> {
  const { counts, log } = deps;
  const leftOut = deps.metrics.counter(
    "postern_dmarc_results_left_out_total",
    "Messages that are in no DMARC report, because too many domains or kinds came on one day",
  );
  const policy = () => deps.routing().dmarcReports;
  return createDailyReports(deps, {
    name: "dmarc",
    isEnabled: () => policy()?.enabled === true,
    domains: counts.dmarcDomains,
    note: counts.noteDmarcReport,
    async send(domain, day, signal) {
      const own = policy();
      const counted = await counts.dmarcDay(day, domain);
      if (!own || !counted) return "unwanted";
      if (counted.leftOut > 0) {
        leftOut.add({}, counted.leftOut);
        log.warn("dmarc-results-left-out", { domain, day, messages: counted.leftOut });
      }
      // What there was no room for belongs to nobody's report.
      return domain === "" ? "unwanted" : reportOn(deps, own, { domain, day, counted }, signal);
    },
  });
}

interface Subject {
  readonly domain: string;
  readonly day: string;
  readonly counted: DmarcDay;
}

async function reportOn(
  deps: DmarcReporterDeps,
  { from, contact, organization }: ReportPolicy,
  { domain, day, counted }: Subject,
  signal: AbortSignal,
): Promise<ReportResult> {
  const { resolver, log, hostname } = deps;
  const scope = createLookupScope(signal);
  const answer = await resolver.lookup(`_dmarc.${domain}`, "TXT", scope);
  if (answer.kind === "temporary" || answer.kind === "exhausted") throw new Error(answer.reason);
  const [text, ...others] = answer.kind === "found" ? answer.records.filter(isDmarcRecord) : [];
  const wanted = text === undefined || others.length > 0 ? [] : (reportAddressesOf(text) ?? []);
  const { allowed, denied } = await checkDestinations(domain, wanted, resolver, scope);
  for (const { to, reason } of denied)
    log.warn("dmarc-report-not-sent", { domain, day, to, reason });
  if (allowed.length === 0)
    return denied.some(({ isTemporary }) => isTemporary) ? "failed" : "unwanted";
  const sender = {
    hostname,
    organization: organization ?? hostname,
    email: from.spoken,
    contact: contact === from.spoken ? null : contact,
  };
  const report = toDmarcReport(domain, day, counted, sender);
  const attempts = allowed.map((address) => attempt(deps, report, counted, from, address));
  const results = await Promise.all(attempts);
  if (results.includes("sent")) return "sent";
  return results.includes("failed") ? "failed" : "unwanted";
}

/** Never rejects: the other addresses of the domain may do. */
async function attempt(
  deps: DmarcReporterDeps,
  report: DmarcReport,
  counted: DmarcDay,
  from: ReportPolicy["from"],
  { to, maxBytes }: ReportAddress,
): Promise<ReportResult> {
  const { log, hostname, clock } = deps;
  const { domain, day } = report;
  const about = { domain, day, to: to.spoken };
  const now = clock.now();
  const bytes = toDmarcReportMail(report, { from, to, hostname, now });
  if (maxBytes !== null && bytes.length > maxBytes) {
    const reason = `it has ${bytes.length} octets, and ${maxBytes} are wanted at most`;
    log.warn("dmarc-report-not-sent", { ...about, reason });
    return "unwanted";
  }
  const kinds = counted.results.length;
  const messages = counted.results.reduce((sum, { count }) => sum + count, 0);
  try {
    await spoolReport(deps, {
      from,
      to,
      subject: reportSubject(report, hostname),
      messageId: reportMessageId(report, now),
      bytes,
      ignoresTlsPolicies: false,
      about: { kind: "DMARC", domain, day, messages, kinds, leftOut: counted.leftOut },
    });
    log.info("dmarc-report-sent", { ...about, messages, kinds });
    return "sent";
  } catch (error) {
    log.warn("dmarc-report-not-sent", { ...about, reason: errorText(error) });
    return "failed";
  }
}
