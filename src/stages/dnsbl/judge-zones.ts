import type { Finding, Verdict } from "../../pipeline/verdict.ts";
import { type DnsblOptions, groupByZone, type ListedZone } from "./dnsbl-options.ts";
import { matchingScores, type ZoneEvidence } from "./query-zones.ts";

export type DnsblEvidence = {
  /** As it was asked for. */
  readonly client: string;
  readonly zones: readonly ZoneEvidence[];
};

interface Listing {
  readonly zone: ListedZone;
  readonly evidence: ZoneEvidence;
  readonly score: number;
  /** Counts towards a refusal, too. */
  readonly refuses: boolean;
}

/**
 * The sum of the scores of all lists that the client is on. Only a zone that answered counts, for
 * or against; the filters are those of the policy that judges, not of the one that observed. A demoted
 * zone refuses nobody, and vouches for nobody.
 */
export function judgeZones(evidence: DnsblEvidence, options: DnsblOptions): Verdict {
  const listings: Listing[] = [];
  const missing: string[] = [];
  for (const zone of groupByZone(options)) {
    const answered = evidence.zones.find((entry) => entry.zone === zone.zone);
    if (!answered) missing.push(zone.label);
    else listings.push(...toListing(zone, answered, options));
  }
  const findings = listings.map(toFinding);
  if (missing.length > 0) return { kind: "unknown", missing, findings };
  const refusing = listings.filter(({ refuses }) => refuses);
  const [worst] = refusing.toSorted((a, b) => b.score - a.score);
  const isRefused = options.rejectAt !== null && sum(refusing) >= options.rejectAt;
  if (!isRefused || !worst) return { kind: "neutral", findings };
  return {
    kind: "reject",
    cause: "client-listed",
    about: {
      client: evidence.client,
      zone: worst.zone.label,
      text: worst.evidence.text ?? "",
    },
    findings,
  };
}

function toListing(
  zone: ListedZone,
  evidence: ZoneEvidence,
  { breaker }: DnsblOptions,
): readonly Listing[] {
  if (evidence.status !== "listed" && evidence.status !== "clean") return [];
  const scores = matchingScores(zone, evidence.answers);
  if (scores.length === 0) return [];
  const score = rounded(scores.reduce((total, one) => total + one, 0));
  const refuses = breaker === null || evidence.demoted === undefined;
  return [{ zone, evidence, refuses, score: refuses ? score : Math.max(0, score) }];
}

function toFinding({ zone, evidence, score, refuses }: Listing): Finding {
  const symbol = `DNSBL_${zone.label.toUpperCase().replace(/[^A-Z0-9]/g, "_")}`;
  const answers = evidence.answers.join(" ");
  const said = evidence.text ? `${answers}: ${evidence.text}` : answers;
  return {
    symbol,
    score,
    detail: refuses ? said : `${said} (refuses nobody: ${evidence.demoted})`,
  };
}

function sum(listings: readonly Listing[]): number {
  return rounded(listings.reduce((total, { score }) => total + score, 0));
}

/** To a thousandth, so that decimals that add up to the threshold reach it. */
function rounded(score: number): number {
  return Math.round(score * 1000) / 1000;
}
