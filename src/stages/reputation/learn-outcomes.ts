import { judgedEvidence, senderIdentities } from "../../auth/sender-identities.ts";
import { isWithin } from "../../mail/domain-name.ts";
import type { Cause } from "../../pipeline/cause.ts";
import type { TransactionRecord } from "../../pipeline/facts.ts";
import type { StageReport } from "../../pipeline/report.ts";
import { isRefusing } from "../../pipeline/verdict.ts";
import type { Lesson, Subject } from "../../reputation/reputation.ts";
import { parseSubject, toNameSubject } from "../../reputation/subjects.ts";
import type { ReputationEvidence } from "./reputation-evidence.ts";

/** The stage whose reports are read here. */
export const REPUTATION_STAGE = "reputation";

/** What a message was, for those who sent it; null: it says nothing. */
export type Outcome = "ham" | "spam" | "virus" | "abuse" | null;

/** Refusals that say: this is no mail anybody wanted. */
const BAD: ReadonlySet<Cause> = new Set<Cause>([
  "client-listed",
  "spf-fail",
  "sender-id-fail",
  "dmarc-reject",
  "dmarc-quarantine",
]);

/** Refusals for what only attacks and broken programs do. */
const ABUSE: ReadonlySet<Cause> = new Set<Cause>([
  "bare-line-ending",
  "header-too-large",
  "helo-malformed",
  "helo-forged",
  "from-malformed",
]);

const AUTH_FAILURES: readonly string[] = [
  "DMARC_FAIL",
  "DMARC_QUARANTINE",
  "DMARC_REJECT",
  "SPF_FAIL",
];
/** A message signed by more than these is no better known by it. */
const MAX_DOMAINS = 3;

/** What is learned of one transaction. Pure, so that it can be learned backwards. */
export interface Learned {
  readonly outcome: Outcome;
  readonly evidence: ReputationEvidence;
  readonly lessons: readonly Lesson[];
}

/**
 * Null for mail that reputation did not judge (ours, and whose client an operator lets past), and for
 * what it refused itself: a block must not feed on the attempts that it turns away.
 */
export function learnedFrom(record: TransactionRecord): Learned | null {
  const report = reputationReport(record);
  if (!report || isRefusedBy(report)) return null;
  const evidence = report.evidence as unknown as ReputationEvidence;
  const outcome = outcomeOf(record, evidence);
  const add = {
    ...(outcome !== null && { [outcome]: 1 }),
    ...recipientsOf(record),
    ...authenticationOf(record, outcome),
  };
  // Of relayed mail that of the origin, which the record does not have.
  const helo = evidence.helo === null ? {} : { helo: evidence.helo.subject.slice("helo:".length) };
  const lessons = subjectsOf(record, evidence).map((subject) => ({
    subject,
    add,
    ...(subject.kind === "client" && helo),
  }));
  return { outcome, evidence, lessons };
}

/** When what a message taught turns out to be wrong: it was wanted. */
export function lessonsOfRelease(record: TransactionRecord): readonly Lesson[] {
  const learned = learnedFrom(record);
  if (!learned || learned.outcome === "virus" || learned.outcome === "ham") return [];
  const { outcome, lessons } = learned;
  const add = { ham: 1, released: 1, ...(outcome !== null && { [outcome]: -1 }) };
  return lessons.map(({ subject }) => ({ subject, add }));
}

export function reputationReport({ reports }: TransactionRecord): StageReport | null {
  const report = reports.find(({ stage }) => stage === REPUTATION_STAGE);
  return report?.outcome === "judged" ? report : null;
}

export function isRefusedBy({ verdict, mode }: StageReport): boolean {
  return mode === "enforce" && isRefusing(verdict);
}

function outcomeOf(record: TransactionRecord, { rules }: ReputationEvidence): Outcome {
  const { reports, action, cause, recipients } = record;
  const isMalware = ({ verdict }: StageReport) =>
    isRefusing(verdict) && verdict.cause === "malware";
  if (reports.some(isMalware)) return "virus";
  const causes = [cause, ...recipients.map((one) => one.cause)].filter((one) => one !== null);
  if (causes.some((one) => ABUSE.has(one))) return "abuse";
  const scores = scoresOfOthers(record);
  if (causes.some((one) => BAD.has(one)) || Math.min(...scores) >= rules.badFrom) return "spam";
  // Postmaster gets mail whatever is said against it: nobody earns a good name by writing to him.
  const isSuspect = reports.some(isRefusedBy) || Math.max(...scores) >= rules.goodBelow;
  return action === "relay" && !isSuspect ? "ham" : null;
}

/**
 * Without reputation itself, else one bad day would feed on itself for ever. In two readings, since the
 * policy may give a symbol another score than its stage, and exempt recipients none: it must be bad,
 * or good, in both.
 */
function scoresOfOthers({ reports, score }: TransactionRecord): readonly [number, number] {
  const points = (wanted: (report: StageReport) => boolean) => {
    const counted = reports.filter(
      (report) => report.outcome === "judged" && report.mode === "enforce" && wanted(report),
    );
    const findings = counted.flatMap(({ verdict }) => verdict.findings);
    return [...new Map(findings.map((one) => [one.symbol, one.score])).values()].reduce(
      (sum, one) => sum + one,
      0,
    );
  };
  const own = points(({ stage }) => stage === REPUTATION_STAGE);
  return [score - own, points(({ stage }) => stage !== REPUTATION_STAGE)];
}

function recipientsOf({ recipients }: TransactionRecord) {
  const unknownRecipient = recipients.filter(({ cause }) => cause === "recipient-unknown").length;
  const recipient = recipients.filter(({ reply }) => reply.startsWith("250")).length;
  return { ...(recipient > 0 && { recipient }), ...(unknownRecipient > 0 && { unknownRecipient }) };
}

function authenticationOf({ reports }: TransactionRecord, outcome: Outcome) {
  if (outcome === null) return {};
  const symbols = new Set(
    reports.flatMap(({ verdict }) => verdict.findings.map(({ symbol }) => symbol)),
  );
  if (AUTH_FAILURES.some((one) => symbols.has(one))) return { authFail: 1 };
  return symbols.has("SPF_PASS") || symbols.has("DKIM_PASS") ? { authPass: 1 } : {};
}

/** Whom the mail tells of, each by a mark that somebody else could not take on. */
function subjectsOf(
  record: TransactionRecord,
  { client, network, helo, reverseDomain, domain }: ReputationEvidence,
): readonly Subject[] {
  const seen = [client, network, helo, reverseDomain, domain].flatMap((one) => {
    const subject = one && parseSubject(one.subject);
    return subject ? [subject] : [];
  });
  const known = seen.map(({ kind, key }) => (kind === "domain" ? key : ""));
  const signed = signedDomains(record).filter((name) => !known.includes(name));
  return [...seen, ...signed.map((name) => toNameSubject("domain", name))];
}

/** Of DKIM, as far as they are the author's: a mailing list may sign what others write. */
function signedDomains({ reports }: TransactionRecord): readonly string[] {
  const dmarc = judgedEvidence(reports, "dmarc") as { readonly domain?: string | null } | null;
  const author = dmarc?.domain;
  if (!author) return [];
  const passing = senderIdentities(reports).filter(
    ({ method, result, domain }) =>
      method === "dkim" &&
      result === "pass" &&
      (isWithin(author, domain) || isWithin(domain, author)),
  );
  return [...new Set(passing.map(({ domain }) => domain))].slice(0, MAX_DOMAINS);
}
