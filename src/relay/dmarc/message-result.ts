import type { ArcCheck } from "../../auth/arc/check-arc.ts";
import type { DkimCheck } from "../../auth/dkim/check-dkim.ts";
import type { DmarcCheck } from "../../auth/dmarc/check-dmarc.ts";
import { parseDmarcRecord, readDmarcTags } from "../../auth/dmarc/dmarc-record.ts";
import { reportAddressesOf } from "../../auth/dmarc/report-address.ts";
import { judgedEvidence } from "../../auth/sender-identities.ts";
import type { SpfCheck } from "../../auth/spf/check-spf.ts";
import { parseDomainName } from "../../mail/domain-name.ts";
import { canonicalIp } from "../../net/ip.ts";
import type {
  DmarcAuthResult,
  DmarcOverride,
  DmarcPolicyFacts,
  DmarcResultFact,
  DmarcResultFacts,
  TransactionRecord,
} from "../../pipeline/facts.ts";
import type { StageReport } from "../../pipeline/report.ts";

/** What a sender or a zone brings about is told in so many characters. */
const MAX_HUMAN_CHARS = 200;
/** Of all signatures of a message: ten with long names would make reports and their store ten times as large. */
const MAX_SIGNATURE_CHARS = 1500;
/** RFC 9990 and RFC 8460 give reports this subject. */
const REPORT_SUBJECT = /^\s*Report\s+Domain:\s*\S+\s+Submitter:\s*\S/i;

/**
 * What goes into the report to the domain whose policy was found. Null for mail that is not
 * reported: of our own users; with nobody to report to; put off, or withdrawn, which will come
 * again; and reports, lest two gateways report to each other about their reports for ever.
 * `reporters`: the addresses that send ours, which get bounces and answers.
 */
export function toDmarcResult(
  record: TransactionRecord,
  reporters: readonly string[],
): DmarcResultFact | null {
  const report = record.reports.find(
    ({ stage, outcome }) => stage === "dmarc" && outcome === "judged",
  );
  // Of mail that a trusted relay brings the client is who gave it to him, where that is known.
  const ip = canonicalIp((record.origin ?? record.client).ip);
  if (!report || !ip || record.relay || !isTaken(record)) return null;
  const check = report.evidence as unknown as DmarcCheck;
  const found = check.policy && policyOf(check, check.policy.domain);
  if (!found || !check.policy || check.domain === null) return null;
  if (isReport(record, check, reporters)) return null;
  const judged = { check, policy: check.policy, report };
  const { reports } = record;
  return {
    kind: "dmarc-result",
    at: record.decidedAt,
    domain: check.policy.domain,
    policy: found,
    result: {
      sourceIp: ip,
      ...evaluate(judged, record),
      dkim: alignedPass(check, "dkim"),
      spf: alignedPass(check, "spf"),
      headerFrom: check.domain,
      envelopeFrom: senderDomain(record.sender),
      signatures: signaturesOf(reports, check),
      spfResult: spfOf(reports),
    },
  };
}

/** Refused for good counts as received: the owner wants to know of it most of all. */
function isTaken({ action }: TransactionRecord): boolean {
  return action !== "defer" && action !== "dropped";
}

/** Only where somebody is named to report to: all others would fill the disk for nobody. */
function policyOf({ answers }: DmarcCheck, domain: string): DmarcPolicyFacts | null {
  const name = `_dmarc.${domain}`;
  const [text] = answers.find((answer) => answer.name === name)?.records ?? [];
  const record = text === undefined ? null : parseDmarcRecord(text);
  if (text === undefined || !record || !reportAddressesOf(text)?.length) return null;
  const { p, sp, np, strictDkim, strictSpf, testing } = record;
  const subdomains = sp ?? p;
  return {
    p,
    sp: subdomains,
    np: np ?? subdomains,
    adkim: strictDkim ? "s" : "r",
    aspf: strictSpf ? "s" : "r",
    testing,
    fo: readDmarcTags(text)?.get("fo")?.slice(0, MAX_HUMAN_CHARS) ?? null,
  };
}

function isReport(
  { recipients, message }: TransactionRecord,
  { result }: DmarcCheck,
  reporters: readonly string[],
): boolean {
  const own = reporters.map((address) => address.toLowerCase());
  if (recipients.every(({ address }) => own.includes(address.toLowerCase()))) return true;
  // A forger must not get out of the reports by a subject.
  return result === "pass" && REPORT_SUBJECT.test(message?.subject ?? "");
}

interface JudgedMessage {
  readonly check: DmarcCheck;
  readonly policy: NonNullable<DmarcCheck["policy"]>;
  readonly report: StageReport;
}

const SEVERITY = ["none", "quarantine", "reject"] as const;
type Action = (typeof SEVERITY)[number];

/** What was done because of DMARC, and why that is less than what the owner wants. */
function evaluate(
  judged: JudgedMessage,
  record: TransactionRecord,
): Pick<DmarcResultFacts, "disposition" | "reasons"> {
  const { check, policy } = judged;
  if (check.result === "pass")
    return { disposition: policy.published === "none" ? "none" : "pass", reasons: [] };
  const disposition = applied(judged, record);
  const reasons: DmarcOverride[] = [];
  if (policy.effective !== policy.published)
    reasons.push({ type: "policy_test_mode", comment: null });
  if (disposition !== policy.effective) reasons.push(overrideOf(judged, record));
  return { disposition, reasons };
}

/**
 * The milder of what the stage asked for and of what became of the message: where the stage only
 * observes, or somebody is trusted or exempt, the message went on; and what another stage refused
 * was not refused because of DMARC.
 */
function applied({ report }: JudgedMessage, { action }: TransactionRecord): Action {
  const wanted = report.mode === "enforce" ? severityOf(report.verdict.kind) : 0;
  return SEVERITY[Math.min(wanted, severityOf(action))] ?? "none";
}

function severityOf(kind: string): number {
  return Math.max(0, SEVERITY.indexOf(kind as Action));
}

function overrideOf({ report, check }: JudgedMessage, record: TransactionRecord): DmarcOverride {
  const type = "local_policy";
  if (check.result === "temperror") return { type, comment: "DNS did not tell in time" };
  const byArc = report.verdict.findings.some(({ symbol }) => symbol === "DMARC_ARC_TRUSTED");
  if (byArc) return { type, comment: arcComment(record) };
  return { type, comment: null };
}

/** RFC 8617 7.2.2: `arc=pass as[2].d=d2.example as[2].s=s2 as[1].d=d1.example as[1].s=s1`. */
function arcComment({ reports, client }: TransactionRecord): string {
  const { sets } = judgedEvidence(reports, "arc") as unknown as ArcCheck;
  const seals = sets
    .toReversed()
    .map(
      ({ instance, domain, selector }) =>
        `as[${instance}].d=${domain} as[${instance}].s=${selector}`,
    );
  return ["arc=pass", ...seals, `remote-ip[1]=${client.ip}`].slice(0, MAX_SEALS_TOLD).join(" ");
}

/** A chain may have fifty; the last sealers are those that count. */
const MAX_SEALS_TOLD = 10;

function alignedPass({ identities }: DmarcCheck, method: "dkim" | "spf"): "pass" | "fail" {
  const passes = identities.some(
    (one) => one.method === method && one.result === "pass" && one.aligned === true,
  );
  return passes ? "pass" : "fail";
}

function senderDomain(sender: string): string | null {
  if (sender === "") return "";
  return parseDomainName(sender.slice(sender.lastIndexOf("@") + 1), { utf8: true });
}

/** In the order of RFC 9990: those that pass and are aligned, those that pass, the others. */
function signaturesOf(
  reports: readonly StageReport[],
  { domain, identities }: DmarcCheck,
): DmarcResultFacts["signatures"] {
  const check = judgedEvidence(reports, "dkim") as unknown as DkimCheck | null;
  const aligned = new Set(
    identities.filter((one) => one.aligned === true).map((one) => one.domain),
  );
  const rank = (one: { readonly result: string; readonly domain: string }) => {
    if (one.result !== "pass") return 3;
    if (one.domain === domain) return 0;
    return aligned.has(one.domain) ? 1 : 2;
  };
  return (check?.signatures ?? [])
    .filter(({ domain, selector }) => domain !== "" && selector !== "")
    .toSorted((a, b) => rank(a) - rank(b))
    .map(({ domain, selector, result, reason }) => ({
      domain,
      selector,
      result,
      human: cut(reason),
    }))
    .filter(within(MAX_SIGNATURE_CHARS));
}

/** Those that find room, the first first. */
function within(chars: number): (value: unknown) => boolean {
  let left = chars;
  return (value) => {
    left -= JSON.stringify(value).length;
    return left >= 0;
  };
}

function spfOf(reports: readonly StageReport[]): DmarcAuthResult | null {
  const check = judgedEvidence(reports, "spf") as unknown as SpfCheck | null;
  if (!check) return null;
  return { domain: check.domain, result: check.result, human: cut(check.problem) };
}

function cut(text: string | null): string | null {
  return text === null ? null : text.slice(0, MAX_HUMAN_CHARS);
}
