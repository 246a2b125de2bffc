import { registeredDomain } from "../../mail/registered-domain.ts";
import { parseIp } from "../../net/ip.ts";
import type { Counter, Counts } from "../../reputation/reputation.ts";
import type {
  KnownRecord,
  ReputationEvidence,
  SeenSubject,
  Term,
  TermName,
} from "./reputation-evidence.ts";
import type { ReputationOptions } from "./reputation-options.ts";

/*
 * The sender reputation level, 0 (nothing against him) to 9:
 *
 *   p   = (bad + 2 * prior) / (n + 2)        prior 0.3, or what those around him make of it
 *   SRL = round(8p + helo + reverse + unknown recipients + proxy - identity), from 0 to 9
 *
 * It counts from `minMessages` on, or earlier for one whose neighbourhood is bad. Nobody is blocked
 * for what others did alone: see MIN_OWN.
 */

/** How bad a client is thought to be of whom nothing is known. */
const PRIOR = 0.3;
/** So many imagined messages stand for the prior. */
const PRIOR_MESSAGES = 2;
/** From here on a neighbourhood is bad, and who comes from it is judged at once. */
const BAD_NEIGHBOURHOOD = 0.5;
/** Of his own, before a client of a bad neighbourhood can be blocked: whom a block ended begins anew. */
const MIN_OWN = 3;
/** Below this share of bad mail a proven name speaks for its user, the more the less. */
const GOOD_NAME = 0.3;
/** A proven reverse name is that of a whole provider, not of one customer. */
const REVERSE_SHARE = 0.5;
/** Fewer recipients say nothing of the share of unknown ones; from half on it is as bad as it gets. */
const MIN_RECIPIENTS = 10;
const WORST_UNKNOWN = 0.5;
/** A pair of servers behind one address has two names, a careful one three. */
const USUAL_NAMES = 3;
const WORST_NAMES = 8;

export interface Srl {
  readonly level: number;
  /** What the terms come to, before there is enough to judge by. */
  readonly sum: number;
  /** Why the level is lower than the sum; null: it is not. */
  readonly held: string | null;
  /** All of them, also those that come to nothing. */
  readonly terms: readonly Term[];
}

export interface SrlQuestion {
  readonly evidence: Omit<ReputationEvidence, "srl" | "terms" | "block" | "away" | "rules">;
  readonly ip: string;
  /** As spoken; null: of no session, as in `reputation show`. */
  readonly heloName: string | null;
  readonly isOurs: (domain: string) => boolean;
}

export function computeSrl(question: SrlQuestion, options: ReputationOptions): Srl {
  const { evidence, heloName } = question;
  const prior = priorOf(question, options);
  const terms: readonly Term[] = [
    badTerm(evidence.client.record, prior, options.weights.bad),
    ...(heloName === null ? [] : [heloTerm(question, heloName, options.weights.helo)]),
    ...(heloName === null ? [] : [reverseTerm(question, heloName, options.weights.reverse)]),
    unknownTerm(evidence.client.record, options.weights.unknownRecipients),
    proxyTerm(evidence.proxy, options.weights.proxy),
    identityTerm(evidence, options),
  ];
  const total = terms.reduce((all, { points }) => all + points, 0);
  const sum = Math.min(9, Math.max(0, Math.round(total)));
  return { ...toLevel(sum, evidence, prior, options), sum, terms };
}

function toLevel(
  sum: number,
  { client }: SrlQuestion["evidence"],
  prior: number,
  { minMessages, blockAt }: ReputationOptions,
): Pick<Srl, "level" | "held"> {
  const own = Math.round(messages(client.record));
  if (own >= minMessages) return { level: sum, held: null };
  if (prior < BAD_NEIGHBOURHOOD)
    return { level: 0, held: sum === 0 ? null : `${own} of ${minMessages} messages seen` };
  const most = own >= MIN_OWN || blockAt === null ? 9 : blockAt - 1;
  if (sum <= most) return { level: sum, held: null };
  return { level: most, held: "nobody is blocked for what his neighbours did" };
}

/** Messages that came to something: decayed, so not whole. */
export function messages(record: Pick<KnownRecord, "counts"> | null): number {
  return record === null ? 0 : record.counts.ham + badOf(record.counts);
}

function badOf({ spam, virus, abuse }: Counts): number {
  return spam + virus + abuse;
}

function shareOfBad(record: KnownRecord | null, prior = PRIOR): number {
  const bad = record === null ? 0 : badOf(record.counts);
  return (bad + PRIOR_MESSAGES * prior) / (messages(record) + PRIOR_MESSAGES);
}

/**
 * A network tells of its unknown members in both directions, a HELO name that anybody may say only
 * against him.
 */
function priorOf(
  { evidence, heloName }: SrlQuestion,
  { minMessages, neighbours }: ReputationOptions,
): number {
  const enough = (seen: SeenSubject | null) =>
    seen !== null && Math.round(messages(seen.record)) >= minMessages ? seen.record : null;
  const network = enough(withoutOwn(evidence.network, evidence.client.record));
  const prior = network ? Math.min(neighbours, shareOfBad(network)) : PRIOR;
  const isProven = evidence.reverse.confirmed && evidence.reverse.name === heloName?.toLowerCase();
  const helo = isProven ? null : enough(withoutOwn(evidence.helo, evidence.client.record));
  return helo ? Math.max(prior, Math.min(neighbours, shareOfBad(helo))) : prior;
}

/** What others made of it. Records decay alike, so that one can be taken away from another. */
function withoutOwn(seen: SeenSubject | null, own: KnownRecord | null): SeenSubject | null {
  if (!seen?.record || !own) return seen;
  const { counts } = seen.record;
  const left = (name: Counter) => Math.max(0, counts[name] - own.counts[name]);
  const others = { ...counts, ham: left("ham"), spam: left("spam"), virus: left("virus") };
  const record = { ...seen.record, counts: { ...others, abuse: left("abuse") } };
  return { ...seen, record };
}

function badTerm(record: KnownRecord | null, prior: number, weight: number): Term {
  const bad = Math.round(record === null ? 0 : badOf(record.counts));
  const others = prior === PRIOR ? "" : `; those around it: ${Math.round(prior * 100)} % bad`;
  const why = `${bad} of ${Math.round(messages(record))} messages bad${others}`;
  return toTerm("bad", weight * shareOfBad(record, prior), why);
}

function heloTerm({ evidence, ip, isOurs }: SrlQuestion, name: string, weight: number): Term {
  const found: (readonly [number, string])[] = [];
  const literal = literalOf(name);
  if (literal !== null && literal !== parseIp(ip)?.text)
    found.push([2 / 3, `HELO ${name} is another's address`]);
  if (literal === null && !name.includes(".")) found.push([1 / 3, `HELO ${name} is no full name`]);
  if (parentsOf(name).some(isOurs)) found.push([1, `HELO ${name} is a name of ours`]);
  const names = new Set([...(evidence.client.record?.helos ?? []), name.toLowerCase()]).size;
  const many = Math.min(1, (names - USUAL_NAMES) / (WORST_NAMES - USUAL_NAMES));
  if (many > 0) found.push([(many * 2) / 3, `${names} names at HELO in a week`]);
  const share = found.reduce((sum, [part]) => sum + part, 0);
  const why = found.map(([, words]) => words).join(", ") || `HELO ${name} is unremarkable`;
  return toTerm("helo", weight * Math.min(1, share), why);
}

/** Null when the name is no address literal; of a malformed one, nobody's address. */
function literalOf(name: string): string | null {
  if (!name.startsWith("[")) return parseIp(name)?.text ?? null;
  const inner = name.replace(/^\[(?:ipv6:)?/i, "").replace(/\]$/, "");
  return parseIp(inner)?.text ?? "";
}

function parentsOf(name: string): readonly string[] {
  const labels = name.toLowerCase().split(".");
  return labels.map((_, at) => labels.slice(at).join("."));
}

function reverseTerm({ evidence }: SrlQuestion, helo: string, weight: number): Term {
  const { status, name, confirmed } = evidence.reverse;
  if (status === "unresolved") return toTerm("reverse", 0, "its reverse name could not be asked");
  if (name === null) return toTerm("reverse", weight, "it has no reverse name");
  if (!confirmed)
    return toTerm("reverse", weight * 0.75, `its reverse name ${name} leads elsewhere`);
  const registered = registeredDomain(name);
  if (registered !== null && registered === registeredDomain(helo))
    return toTerm("reverse", 0, `its reverse name ${name} goes with its HELO`);
  return toTerm("reverse", weight * 0.4, `its reverse name ${name} does not go with its HELO`);
}

function unknownTerm(record: KnownRecord | null, weight: number): Term {
  const { recipient = 0, unknownRecipient = 0 } = record?.counts ?? {};
  const all = recipient + unknownRecipient;
  const share = all < MIN_RECIPIENTS ? 0 : unknownRecipient / all;
  const why = `${Math.round(unknownRecipient)} of ${Math.round(all)} recipients unknown`;
  return toTerm("unknown-recipients", weight * Math.min(1, share / WORST_UNKNOWN), why);
}

function proxyTerm(zones: readonly string[], weight: number): Term {
  if (zones.length === 0) return toTerm("proxy", 0, "no list calls it an open proxy");
  return toTerm("proxy", weight, `an open proxy or hijacked, says ${zones.join(", ")}`);
}

function identityTerm(
  { domain, reverseDomain }: SrlQuestion["evidence"],
  { weights, minMessages }: ReputationOptions,
): Term {
  const goodness = (seen: SeenSubject | null, share: number) => {
    const enough = seen !== null && Math.round(messages(seen.record)) >= minMessages;
    const good = enough ? Math.max(0, 1 - shareOfBad(seen.record) / GOOD_NAME) : 0;
    return { by: seen?.subject ?? "", good: good * share };
  };
  const [best] = [goodness(domain, 1), goodness(reverseDomain, REVERSE_SHARE)].toSorted(
    (a, b) => b.good - a.good,
  );
  if (!best || best.good === 0) return toTerm("identity", 0, "no proven name with a good past");
  return toTerm("identity", -weights.identity * best.good, `${best.by} has a good past`);
}

function toTerm(term: TermName, points: number, why: string): Term {
  return { term, points: Math.round(points * 100) / 100, why };
}

/** "SRL 7: bad 7.1 (24 of 25 messages bad), helo 1 (…)". What comes to nothing is left out. */
export function describeSrl({ level, sum, held, terms }: Srl): string {
  const said = terms
    .filter(({ points }) => points !== 0)
    .map(({ term, points, why }) => `${term} ${points > 0 ? "+" : ""}${points} (${why})`);
  const because = held === null ? "" : `, not ${sum}: ${held}`;
  return `SRL ${level}${because}${said.length > 0 ? `; ${said.join(", ")}` : ""}`;
}
