import { passesFor, senderIdentities } from "../../auth/sender-identities.ts";
import type { Json } from "../../base/json.ts";
import { registeredDomain } from "../../mail/registered-domain.ts";
import type { Resolver } from "../../net/resolver.ts";
import { defineStage, type MailFacts, type Stage } from "../../pipeline/stage.ts";
import { NEUTRAL, type Verdict } from "../../pipeline/verdict.ts";
import { createBlocks } from "../../reputation/blocks.ts";
import type { ReputationServices, Subject, SubjectRecord } from "../../reputation/reputation.ts";
import {
  subjectText,
  toClientSubject,
  toNameSubject,
  toNetworkSubject,
} from "../../reputation/subjects.ts";
import type { KnownRecord, ReputationEvidence, SeenBlock } from "./reputation-evidence.ts";
import { type ReputationOptions, reputationOptions } from "./reputation-options.ts";
import { findReverseName, reverseNameIn } from "./reverse-name.ts";
import { computeSrl, describeSrl } from "./srl.ts";

export interface ReputationStageServices extends ReputationServices {
  readonly resolver: Resolver;
}

/** Two questions to the store, which has its own limit, and three to DNS, mostly cached. */
const TIMEOUT_MS = 5000;

/** Marks: how DNSBLs say "open proxy, or a machine that somebody else runs" (as XBL does). */
const PROXY_ANSWER = /^127\.0\.0\.[4-7]$/;

/**
 * What past mail says about the client: refused while it is blocked, and from the level on at which
 * learn-outcomes.ts blocks it. Learning and blocking are no business of a stage that only looks.
 */
export const reputationStage: Stage<"mail", ReputationStageServices> = defineStage<
  "mail",
  ReputationOptions,
  ReputationEvidence,
  ReputationStageServices
>({
  name: "reputation",
  phase: "mail",
  timeoutMs: TIMEOUT_MS,
  onFailure: "open",
  trustable: true,
  concerns: "strangers",
  judges: "origin",
  file: "reputation",
  section: "srl",
  options: reputationOptions,

  async observe(view, options, { reputation, resolver }, _signal, { isOurs }) {
    const { client, dns, reports } = view;
    const reverse = reverseNameIn(reports) ?? (await findReverseName(client.ip, resolver, dns));
    const subjects = subjectsOf(view, reverse.confirmed ? reverse.name : null);
    const [found, blocked] = await Promise.all([
      reputation.look(subjects.all),
      createBlocks(reputation.blocks).get([subjects.client]),
    ]);
    const records = found.kind === "known" ? found.value : [];
    const seen = (subject: Subject | null) =>
      subject && { subject: subjectText(subject), record: toKnown(records, subject) };
    const [block = null] = blocked.kind === "known" ? blocked.value : [];
    const { badFrom, goodBelow } = options.learn;
    const known = {
      client: { subject: subjectText(subjects.client), record: toKnown(records, subjects.client) },
      network: seen(subjects.network),
      helo: seen(subjects.helo),
      reverseDomain: seen(subjects.reverseDomain),
      domain: seen(subjects.domain),
      reverse,
      proxy: proxyZones(view, options),
    };
    const srl = computeSrl({ ...asked(view), evidence: known, isOurs }, options);
    return {
      ...known,
      srl: srl.level,
      terms: srl.terms,
      block: block && toSeenBlock(block),
      away: found.kind === "unknown" ? found.reason : null,
      rules: { blockHours: options.blockHours, badFrom, goodBelow },
    };
  },

  judge(evidence, options, facts, { isOurs }): Verdict {
    const { block } = evidence;
    if (block) {
      const until = new Date(block.until).toISOString();
      const findings = [
        { symbol: "REPUTATION_BLOCKED", score: 0, detail: `until ${until}: ${block.reason}` },
      ];
      return { kind: "reject", cause: "client-blocked", findings };
    }
    // Nobody's opinion is no good opinion and no bad one (behaviour.md section 8).
    if (evidence.away !== null) return NEUTRAL;
    const srl = computeSrl({ ...asked(facts), evidence, isOurs }, options);
    if (srl.level === 0) return NEUTRAL;
    const score = options.scores[srl.level] ?? 0;
    const findings = [{ symbol: `SRL_${srl.level}`, score, detail: describeSrl(srl) }];
    if (options.blockAt === null || srl.level < options.blockAt)
      return { kind: "neutral", findings };
    return { kind: "reject", cause: "client-blocked", findings };
  },
});

/** A HELO that no server on the way of relayed mail tells is not known to be wrong. */
function asked({ client, helo }: Pick<MailFacts, "client" | "helo">) {
  return { ip: client.ip, heloName: helo.name === "" ? null : helo.name };
}

function subjectsOf({ client, helo, reports }: MailFacts, reverse: string | null) {
  const identities = senderIdentities(reports);
  const spf = identities.find(({ method }) => method === "spf");
  const proven = spf && passesFor([spf], () => true) ? spf.domain : null;
  const registered = reverse === null ? null : registeredDomain(reverse);
  const subjects = {
    client: toClientSubject(client.ip),
    network: toNetworkSubject(client.ip),
    helo: helo.name === "" ? null : toNameSubject("helo", helo.name),
    reverseDomain: registered === null ? null : toNameSubject("reverse-domain", registered),
    domain: proven === null ? null : toNameSubject("domain", proven),
  };
  return { ...subjects, all: Object.values(subjects).filter((one) => one !== null) };
}

function toKnown(records: readonly (SubjectRecord | null)[], subject: Subject): KnownRecord | null {
  const text = subjectText(subject);
  const record = records.find((one) => one && subjectText(one.subject) === text);
  if (!record) return null;
  const { counts, firstSeen, lastSeen, helos } = record;
  return { counts: { ...counts }, firstSeen, lastSeen, helos };
}

function toSeenBlock(block: {
  readonly subject: Subject;
  readonly reason: string;
  readonly by: string;
  readonly since: number;
  readonly until: number;
}): SeenBlock {
  const { subject, reason, by, since, until } = block;
  return { subject: subjectText(subject), reason, by, since, until };
}

/** Passive evidence only: whoever probes a client's ports is taken for an attacker himself. */
function proxyZones({ reports }: MailFacts, options: ReputationOptions): readonly string[] {
  const report = reports.find(({ stage, outcome }) => stage === "dnsbl" && outcome === "judged");
  return listedZones(report?.evidence ?? null).flatMap(({ zone, answers }) =>
    options.proxyZones.includes(zone) && answers.some((one) => PROXY_ANSWER.test(one))
      ? [zone]
      : [],
  );
}

interface ListedZone {
  readonly zone: string;
  readonly answers: readonly string[];
}

/** The evidence of another stage, which this one knows by its shape alone. */
function listedZones(evidence: Json): readonly ListedZone[] {
  const { zones } = (evidence ?? {}) as { readonly zones?: readonly ZoneSeen[] };
  return (zones ?? []).flatMap(({ zone, status, answers }) =>
    status === "listed" ? [{ zone, answers }] : [],
  );
}

interface ZoneSeen extends ListedZone {
  readonly status: string;
}
