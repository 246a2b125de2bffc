import type { Clock } from "../../base/clock.ts";
import { type IpAddress, reversedLabels } from "../../net/ip.ts";
import type { LookupScope, Resolver } from "../../net/resolver.ts";
import { matchesFilter, parseAnswerFilter } from "./answer-filter.ts";
import type { ListedZone } from "./dnsbl-options.ts";
import { readZoneAnswer } from "./zone-answer.ts";
import type { ZoneHealth, ZoneOutcome } from "./zone-health.ts";

/** What one zone said about the client. Plain JSON. */
export type ZoneEvidence = {
  readonly zone: string;
  readonly status: "listed" | "clean" | "error" | "disabled" | "temporary";
  /** Every answer, also those that no filter lets count. */
  readonly answers: readonly string[];
  /** Why there is no answer to believe. */
  readonly reason?: string;
  /** What the list says about a listing: printable ASCII. */
  readonly text?: string;
  /** Absent: it was not asked. */
  readonly tookMs?: number;
  /** Of a listing: why it refuses nobody; zone-rate.ts. */
  readonly demoted?: string;
};

export interface ZoneQuery {
  readonly ip: IpAddress;
  readonly resolver: Resolver;
  readonly health: ZoneHealth;
  readonly clock: Clock;
  readonly scope: LookupScope;
}

/** behaviour.md section 6: what a reply may repeat of the list's own text. */
const MAX_TEXT = 240;

/**
 * Asks one zone about the client. A zone that is dead, refuses us or is no list any more never
 * makes a listing. Never throws for what a zone can do.
 */
export async function queryZone(zone: ListedZone, query: ZoneQuery): Promise<ZoneEvidence> {
  const { health, clock } = query;
  const standing = health.standing(zone);
  if (standing.kind === "disabled") {
    health.record(zone, "disabled");
    return { zone: zone.zone, status: "disabled", answers: [], reason: standing.reason };
  }
  const startedAt = clock.monotonic();
  const { outcome, ...evidence } = await askZone(zone, query);
  const tookMs = clock.monotonic() - startedAt;
  health.record(zone, outcome, evidence.reason, tookMs);
  const status = outcome === "hijacked" ? "disabled" : outcome;
  return { zone: zone.zone, status, ...evidence, tookMs: Math.round(tookMs) };
}

type Asked = Omit<ZoneEvidence, "zone" | "status"> & { readonly outcome: ZoneOutcome };

async function askZone(
  zone: ListedZone,
  { ip, resolver, health, scope }: ZoneQuery,
): Promise<Asked> {
  const name = `${reversedLabels(ip)}.${zone.zone}`;
  const answer = readZoneAnswer(await resolver.lookup(name, "A", scope));
  if (answer.kind === "clean") return { outcome: "clean", answers: [] };
  if (answer.kind === "temporary") return unusable("temporary", answer.reason);
  const { answers } = answer;
  if (answer.kind !== "listed") return unusable(answer.kind, answer.reason, answers);
  const scores = matchingScores(zone, answers);
  if (scores.length === 0) return { outcome: "clean", answers };
  const standing = await health.proven(zone, scope.signal);
  if (standing.kind === "disabled") return unusable("disabled", standing.reason, answers);
  if (standing.kind === "unproven") return unusable("temporary", standing.reason, answers);
  const isBad = scores.some((score) => score > 0);
  return { outcome: "listed", answers, ...(isBad && (await findText(name, resolver, scope))) };
}

function unusable(outcome: ZoneOutcome, reason: string, answers: readonly string[] = []): Asked {
  return { outcome, answers, reason };
}

/** Scores of the lists that one of these answers puts the client on. */
export function matchingScores(zone: ListedZone, answers: readonly string[]): readonly number[] {
  const isMatch = (text: string) => {
    const filter = parseAnswerFilter(text);
    return filter !== null && answers.some((answer) => matchesFilter(answer, filter));
  };
  return zone.lists.filter((list) => list.answers.some(isMatch)).map(({ score }) => score);
}

async function findText(
  name: string,
  resolver: Resolver,
  scope: LookupScope,
): Promise<{ readonly text: string }> {
  const found = await resolver.lookup(name, "TXT", scope);
  const [text = ""] = found.kind === "found" ? found.records : [];
  const printable = text.slice(0, MAX_TEXT).replace(/[^\x21-\x7e]+/g, " ");
  return { text: printable.trim() };
}
