import type { Cause } from "./cause.ts";
import type { Edit } from "./edit.ts";
import type { Plan, Scoring, Thresholds } from "./plan.ts";
import type { StageReport } from "./report.ts";
import { type Finding, isRefusing } from "./verdict.ts";

/** What the gateway does. */
export type Action = "relay" | "quarantine" | "defer" | "reject";

/** The decision for one recipient (or for a session so far). Plain JSON. */
export interface Decision {
  readonly action: Action;
  readonly cause: Cause | null;
  /** The stage that decided; null when nobody refused or the score did. */
  readonly stage: string | null;
  /** Words for the reply, from the verdict that decided. */
  readonly about: Readonly<Record<string, string>>;
  readonly score: number;
  /** Spam confidence level: -1 trusted, else 0..9. */
  readonly scl: number;
  readonly findings: readonly Finding[];
  readonly edits: readonly Edit[];
  /** Stages that could not answer. */
  readonly degraded: readonly string[];
  /** Monitor mode: what would have been done; null when the same. */
  readonly would: Action | null;
}

export interface DecisionRule {
  readonly mode: Plan<unknown>["mode"];
  readonly scoring: Scoring;
  /** Of the recipient's domain; absent: the plan's. */
  readonly thresholds?: Thresholds | undefined;
  /** postmaster and abuse: spam stages and the score count for nothing. */
  readonly exempt: boolean;
  /**
   * A trusted relay brought it, which would have to bounce what we refuse: it is held instead. Not
   * where an essential stage refuses, which would make us hold mail for nobody.
   */
  readonly relayed?: boolean | undefined;
  /** Spam stages that count for nothing at the recipient's domain. */
  readonly skip?: readonly string[] | undefined;
}

const SEVERITY = { quarantine: 1, defer: 2, reject: 3 } as const;

/**
 * Folds all reports that concern one recipient: the severest verdict first (reject > defer >
 * quarantine; among equals malware, then the earliest in plan order), then the sum of scores, else
 * relay. In monitor mode only essential stages count, whatever else there is to refuse. Pure.
 */
export function decide(reports: readonly StageReport[], rule: DecisionRule): Decision {
  const counted = reports.filter((report) => counts(report, reports, rule));
  const findings = scoredFindings(counted, rule.scoring);
  const score = rule.exempt ? 0 : sum(findings);
  const base = {
    score,
    scl: isTrusted(reports) ? -1 : sclOf(score, rule.scoring),
    findings,
    edits: counted.flatMap((report) => report.verdict.edits ?? []),
    degraded: reports.filter(isUnanswered).map((report) => report.stage),
  };
  const unsure = reports.some((report) => report.canTrust && isUnanswered(report));
  const refusal = held(severest(counted, unsure) ?? soften(byScore(score, rule), unsure), rule);
  const essential = counted.filter((report) => report.essential);
  const inForce = rule.mode === "monitor" ? severest(essential, unsure) : refusal;
  if (!inForce) return { ...base, ...RELAY, would: refusal?.action ?? null };
  const { action, cause, stage, about } = inForce;
  return { ...base, action, cause, stage, about, would: null };
}

const RELAY = { action: "relay", cause: null, stage: null, about: {} } as const;

/** True when a trust verdict in force covers every spam stage. */
export function isTrusted(reports: readonly StageReport[]): boolean {
  return reports.some(
    ({ verdict, mode }) => mode === "enforce" && verdict.kind === "trust" && !verdict.scope,
  );
}

/** True when a trust verdict in force covers this stage. */
export function isTrustedFor(stage: string, reports: readonly StageReport[]): boolean {
  return reports.some(
    ({ verdict, mode }) =>
      mode === "enforce" &&
      verdict.kind === "trust" &&
      (verdict.scope === undefined || verdict.scope.includes(stage)),
  );
}

interface Refusal {
  readonly action: Exclude<Action, "relay">;
  readonly cause: Cause;
  readonly stage: string | null;
  readonly about: Readonly<Record<string, string>>;
  readonly trustable: boolean;
  readonly essential: boolean;
}

function counts(
  report: StageReport,
  all: readonly StageReport[],
  { exempt, skip = [] }: DecisionRule,
): boolean {
  if (report.mode === "observe" || report.outcome === "skipped") return false;
  if (!report.trustable) return true;
  return !(exempt || skip.includes(report.stage) || isTrustedFor(report.stage, all));
}

function isUnanswered(report: StageReport): boolean {
  return report.outcome === "failed" || report.outcome === "timeout";
}

function severest(counted: readonly StageReport[], unsure: boolean): Refusal | null {
  let best: Refusal | null = null;
  for (const report of counted) {
    const refusal = soften(toRefusal(report), unsure);
    if (refusal && (!best || outranks(refusal, best))) best = refusal;
  }
  return best;
}

/** Among equals malware: held under another cause it would be released without `--force`. */
function outranks(a: Refusal, b: Refusal): boolean {
  if (SEVERITY[a.action] !== SEVERITY[b.action]) return SEVERITY[a.action] > SEVERITY[b.action];
  return a.cause === "malware" && b.cause !== "malware";
}

/** A live run never leaves `unknown`; should one come, it is a missing check, never a clean one. */
function toRefusal(report: StageReport): Refusal | null {
  const { stage, verdict, trustable, essential } = report;
  const from = { stage, trustable, essential };
  if (isRefusing(verdict))
    return { ...from, action: verdict.kind, cause: verdict.cause, about: verdict.about ?? {} };
  if (verdict.kind !== "unknown") return null;
  return { ...from, action: "defer", cause: "check-unavailable", about: {} };
}

/** Somebody who might have trusted the mail could not answer: a spam reject may be wrong. */
function soften(refusal: Refusal | null, unsure: boolean): Refusal | null {
  if (!unsure || refusal?.action !== "reject" || !refusal.trustable) return refusal;
  return { ...refusal, action: "defer", cause: "check-unavailable", about: {} };
}

function held(refusal: Refusal | null, { relayed = false }: DecisionRule): Refusal | null {
  if (!relayed || refusal?.action !== "reject" || refusal.essential) return refusal;
  return { ...refusal, action: "quarantine" };
}

function byScore(score: number, rule: DecisionRule): Refusal | null {
  const { reject, quarantine } = rule.thresholds ?? rule.scoring.thresholds;
  const spam = {
    cause: "spam",
    stage: null,
    about: {},
    trustable: true,
    essential: false,
  } as const;
  if (reject !== null && score >= reject) return { ...spam, action: "reject" };
  if (quarantine !== null && score >= quarantine) return { ...spam, action: "quarantine" };
  return null;
}

/** Each symbol once, with the score of policy when it has one. */
function scoredFindings(reports: readonly StageReport[], scoring: Scoring): readonly Finding[] {
  const bySymbol = new Map<string, Finding>();
  for (const finding of reports.flatMap((report) => report.verdict.findings)) {
    if (bySymbol.has(finding.symbol)) continue;
    const score = scoring.scores.get(finding.symbol) ?? finding.score;
    bySymbol.set(finding.symbol, { ...finding, score });
  }
  return [...bySymbol.values()];
}

/** Rounded to a thousandth, so that the order of sums of decimals cannot change a decision. */
function sum(findings: readonly Finding[]): number {
  return Math.round(findings.reduce((total, { score }) => total + score, 0) * 1000) / 1000;
}

function sclOf(score: number, scoring: Scoring): number {
  return scoring.scl.filter((least) => score >= least).length;
}
