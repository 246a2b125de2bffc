import { z } from "zod";
import type { Clock } from "../base/clock.ts";
import { parseTransactionId } from "../base/ids.ts";
import type { Log } from "../base/log.ts";
import { parseDomainName } from "../mail/domain-name.ts";
import { parseCidr, parseIp } from "../net/ip.ts";
import type { TransactionRecord } from "../pipeline/facts.ts";
import { type Block, createBlocks } from "../reputation/blocks.ts";
import type { Reputation, Subject, SubjectRecord } from "../reputation/reputation.ts";
import {
  parseSubject,
  subjectText,
  toClientSubject,
  toNameSubject,
  toNetworkSubject,
} from "../reputation/subjects.ts";
import { reputationReport } from "../stages/reputation/learn-outcomes.ts";
import { unlearnMessage } from "../stages/reputation/learner.ts";
import type { ReputationEvidence, SeenSubject } from "../stages/reputation/reputation-evidence.ts";
import type { ReputationOptions } from "../stages/reputation/reputation-options.ts";
import { computeSrl, type Srl } from "../stages/reputation/srl.ts";
import type { TraceRow, Tracking } from "../tracking/tracking.ts";
import { answered } from "./answered.ts";
import { by, parseArgs } from "./command-args.ts";
import { type ControlCommand, ControlError } from "./control.ts";

export interface ReputationCommandDeps {
  readonly reputation: Reputation;
  readonly tracking: Pick<Tracking, "explain" | "trace">;
  /** Of the policy in force. */
  readonly rules: () => Promise<SrlRules>;
  readonly log: Log;
  readonly clock: Clock;
}

export interface SrlRules {
  readonly options: ReputationOptions;
  readonly isOurs: (domain: string) => boolean;
}

/** What is known of one subject. */
export interface SubjectAnswer {
  readonly subject: string;
  readonly record: SubjectRecord | null;
  readonly block: Block | null;
  /** Of a client: its level now, by what it last said and what is known by now; else null. */
  readonly srl: Srl | null;
  /** Of a client: its transactions, the latest first. */
  readonly history: readonly TraceRow[];
}

const HISTORY = 10;
const MAX_TEXT = 300;
const subject = z.string().min(1).max(MAX_TEXT);
const showArgs = z.strictObject({ subject });
const resetArgs = z.strictObject({ subject, by });
const unlearnArgs = z.strictObject({ id: z.string(), by });

export function createReputationCommands(
  deps: ReputationCommandDeps,
): readonly (readonly [string, ControlCommand])[] {
  return [
    ["reputation.show", (args) => show(deps, args)],
    ["reputation.reset", (args) => reset(deps, args)],
    ["reputation.blocks", () => blocks(deps)],
    ["reputation.unlearn", (args) => unlearn(deps, args)],
  ];
}

/** A SubjectAnswer for each kind of subject that the text may mean. */
async function* show(deps: ReputationCommandDeps, args: unknown) {
  const subjects = subjectsOf(parseArgs(showArgs, args).subject);
  await deps.reputation.flush();
  const records = answered(await deps.reputation.look(subjects));
  const blocked = answered(await createBlocks(deps.reputation.blocks).get(subjects));
  for (const [i, one] of subjects.entries()) {
    const text = subjectText(one);
    const record = records[i] ?? null;
    const block = blocked.find((other) => subjectText(other.subject) === text) ?? null;
    const history = await historyOf(deps, one);
    const srl = one.kind === "client" ? await srlOf(deps, one, history) : null;
    yield { subject: text, record, block, srl, history } satisfies SubjectAnswer;
  }
}

/** `{subject, forgotten, unblocked}` for each. */
async function* reset(deps: ReputationCommandDeps, args: unknown) {
  const { subject: text, by: who } = parseArgs(resetArgs, args);
  await deps.reputation.flush();
  for (const one of subjectsOf(text)) {
    const forgotten = answered(await deps.reputation.forget([one])) > 0;
    const unblocked = answered(await createBlocks(deps.reputation.blocks).remove(one));
    const subject = subjectText(one);
    deps.log.info("reputation-reset", { subject, by: who, forgotten, unblocked });
    yield { subject, forgotten, unblocked };
  }
}

/** Blocks in force, the latest first. */
async function* blocks({ reputation }: ReputationCommandDeps) {
  for (const block of answered(await createBlocks(reputation.blocks).list()))
    yield { ...block, subject: subjectText(block.subject) };
}

/** `{id, client, unblocked}`: the message was wanted; its client is blocked no longer. */
async function* unlearn(deps: ReputationCommandDeps, args: unknown) {
  const { id: text, by: who } = parseArgs(unlearnArgs, args);
  const id = parseTransactionId(text);
  const record = id && (await deps.tracking.explain(id))?.record;
  if (!record) throw new ControlError("not-found", `nothing is stored about ${text}`);
  const client = toClientSubject(record.origin?.ip ?? record.client.ip);
  const taught = await unlearnMessage(deps, record);
  const unblocked = answered(await createBlocks(deps.reputation.blocks).remove(client));
  if (!taught && !unblocked)
    throw new ControlError("refused", "it taught nothing bad, or that was taken back before");
  await deps.reputation.flush();
  deps.log.info("reputation-unlearned", { id: record.id, by: who, taught, unblocked });
  yield { id: record.id, client: subjectText(client), unblocked };
}

/** `client:192.0.2.1` as well as what an operator has at hand: an address, a network, a name. */
function subjectsOf(text: string): readonly Subject[] {
  const exact = parseSubject(text);
  if (exact) return [exact];
  if (parseIp(text)) return [toClientSubject(text)];
  const network = parseCidr(text) && toNetworkSubject(text.replace(/\/\d+$/, ""));
  if (network) return [network];
  const name = parseDomainName(text, { utf8: true });
  if (name?.includes(".") && !/^[\d.]+$/.test(name))
    return [
      toNameSubject("domain", name),
      toNameSubject("reverse-domain", name),
      toNameSubject("helo", name),
    ];
  throw new ControlError(
    "bad-request",
    "expected an address, a network, a domain, or client:, network:, helo:, reverse-domain: or " +
      "domain: before one",
  );
}

async function historyOf(
  { tracking }: ReputationCommandDeps,
  { kind, key }: Subject,
): Promise<readonly TraceRow[]> {
  // One /64 is one client: its addresses are not found by its prefix.
  if (kind === "client" && !key.includes("/")) return tracking.trace({ ip: key, limit: HISTORY });
  return kind === "domain" ? tracking.trace({ from: `@${key}`, limit: HISTORY }) : [];
}

/** As the stage would see him now: HELO and names as last seen, the records as they are. */
async function srlOf(
  deps: ReputationCommandDeps,
  client: Subject,
  history: readonly TraceRow[],
): Promise<Srl> {
  const last = await lastSeen(deps, history);
  const evidence = last
    ? (reputationReport(last)?.evidence as unknown as ReputationEvidence)
    : null;
  const refresh = (seen: SeenSubject | null | undefined) => refreshed(deps, seen ?? null);
  const network = toNetworkSubject(client.key.replace(/\/\d+$/, ""));
  const now = {
    client: await current(deps, client),
    network: network && (await current(deps, network)),
    helo: await refresh(evidence?.helo),
    reverseDomain: await refresh(evidence?.reverseDomain),
    domain: await refresh(evidence?.domain),
    reverse: evidence?.reverse ?? UNKNOWN_NAME,
    proxy: evidence?.proxy ?? [],
  };
  const { options, isOurs } = await deps.rules();
  const said = last?.origin ? last.origin.helo : last?.helo.name;
  const heloName = said ?? null;
  const ip = last?.origin?.ip ?? last?.client.ip ?? client.key.replace(/\/\d+$/, "");
  return computeSrl({ evidence: now, ip, heloName, isOurs }, options);
}

const UNKNOWN_NAME = { status: "unresolved", name: null, confirmed: false } as const;

async function lastSeen(
  { tracking }: ReputationCommandDeps,
  history: readonly TraceRow[],
): Promise<TransactionRecord | null> {
  for (const { id } of history) {
    const record = (await tracking.explain(id))?.record;
    if (record && reputationReport(record)) return record;
  }
  return null;
}

async function refreshed(
  deps: ReputationCommandDeps,
  seen: SeenSubject | null,
): Promise<SeenSubject | null> {
  const one = seen && parseSubject(seen.subject);
  return one && current(deps, one);
}

async function current({ reputation }: ReputationCommandDeps, one: Subject): Promise<SeenSubject> {
  const [record = null] = answered(await reputation.look([one]));
  return { subject: subjectText(one), record };
}
