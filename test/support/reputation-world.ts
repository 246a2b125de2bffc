import { createSilentLog } from "../../src/base/log.ts";
import { createMetrics } from "../../src/base/metrics.ts";
import { parseMailbox } from "../../src/mail/address.ts";
import { createLookupScope, type Resolver } from "../../src/net/resolver.ts";
import type { Cause } from "../../src/pipeline/cause.ts";
import {
  createFactBus,
  type RecipientRecord,
  type TransactionRecord,
} from "../../src/pipeline/facts.ts";
import type { StageReport } from "../../src/pipeline/report.ts";
import type { MailFacts } from "../../src/pipeline/stage.ts";
import { createMemoryReputation } from "../../src/reputation/memory-reputation.ts";
import type { Reputation } from "../../src/reputation/reputation.ts";
import { createLearner } from "../../src/stages/reputation/learner.ts";
import { reputationStage } from "../../src/stages/reputation/reputation.ts";
import type { ReputationEvidence } from "../../src/stages/reputation/reputation-evidence.ts";
import { testRecord, testReport } from "./test-records.ts";
import { toZoneResolver, type Zone } from "./zone-resolver.ts";

/** One transaction as it comes, and what the other stages make of it. */
export interface SentMail {
  readonly ip: string;
  readonly helo?: string;
  /** For which SPF passes; absent: it does not. */
  readonly domain?: string;
  /** Score of the other stages. Default 0. */
  readonly score?: number;
  /** Why others refuse it. Default: nobody does. */
  readonly cause?: Cause;
  /** Recipients that exist (default 1), and others. */
  readonly recipients?: number;
  readonly unknown?: number;
  /** Reports of other stages. */
  readonly reports?: readonly StageReport[];
}

export interface ReputationWorld {
  readonly reputation: Reputation;
  /** Milliseconds since the epoch; set it to travel. */
  now: number;
  /** Judged as the gateway does it, told as a fact, and learned from. */
  send(mail: SentMail): Promise<Seen>;
  /** An operator lets go what was held. */
  release(record: TransactionRecord): Promise<void>;
  close(): Promise<void>;
}

export interface Seen {
  readonly report: StageReport;
  readonly evidence: ReputationEvidence;
  readonly record: TransactionRecord;
  /** By reputation. */
  readonly refused: boolean;
  /** Of the finding; 0 without one. */
  readonly level: number;
}

export interface WorldOptions {
  /** PTR, A and AAAA records. */
  readonly zone?: Zone;
  readonly options?: object;
  readonly mode?: "enforce" | "observe";
  readonly isOurs?: (domain: string) => boolean;
  readonly reputation?: Reputation;
}

/** The stage and the learner over a store in memory, with a clock of their own. */
export function createReputationWorld(world: WorldOptions = {}): ReputationWorld {
  const { zone = {}, options = {}, mode = "enforce", isOurs = () => false } = world;
  const clock = { now: () => self.now };
  const reputation = world.reputation ?? createMemoryReputation(clock);
  const facts = createFactBus((error) => {
    throw error;
  });
  const records = new Map<string, TransactionRecord>();
  const recordOf = async (id: string) => records.get(id) ?? null;
  const ground = { log: createSilentLog(), metrics: createMetrics() };
  const learner = createLearner({ ...ground, facts, reputation, recordOf });
  const stage = reputationStage.bind(reputationStage.options.parse(options), { mode, isOurs });
  const resolver: Resolver = { ...toZoneResolver(zone), networkQueries: () => 0, close() {} };
  const { signal } = new AbortController();
  let number = 0;
  const self: ReputationWorld = {
    reputation,
    now: Date.UTC(2026, 0, 1),
    async send(mail) {
      const view = toFacts(mail, self.now);
      const dns = createLookupScope(signal);
      const evidence = await stage.observe?.({ ...view, dns }, { reputation, resolver }, signal);
      const verdict = stage.judge(evidence ?? null, view);
      const report = testReport("reputation", { evidence: evidence ?? null, verdict, mode });
      number += 1;
      const record = toRecord(mail, report, view, number, self.now);
      records.set(record.id, record);
      facts.emit({ kind: "decided", at: self.now, record });
      const refused = verdict.kind === "reject" && mode === "enforce";
      // The block is put after the answer.
      if (refused) await new Promise((resolve) => setImmediate(resolve));
      const [finding] = verdict.findings;
      const level = Number(/^SRL_(\d)$/.exec(finding?.symbol ?? "")?.[1] ?? 0);
      return { report, evidence: evidence as ReputationEvidence, record, refused, level };
    },
    async release({ id }) {
      facts.emit({ kind: "released", at: self.now, id, holdId: "H", by: "jane", recipients: [] });
      await new Promise((resolve) => setImmediate(resolve));
    },
    close: () => learner.close(),
  };
  return self;
}

function toFacts(
  { ip, helo = "mail.friend.test", domain, reports = [] }: SentMail,
  at: number,
): MailFacts {
  const spf = { result: domain === undefined ? "none" : "pass", domain: domain ?? "a.test" };
  const symbol = domain === undefined ? "SPF_NONE" : "SPF_PASS";
  const verdict = { kind: "neutral", findings: [{ symbol, score: 0 }] } as const;
  return {
    client: { ip, port: 40_000 },
    listener: { name: "internet", kind: "internet", hostname: "mx.example.org" },
    receivedAt: at,
    seed: "seed",
    reports: [testReport("spf", { evidence: spf, verdict }), ...reports],
    helo: { verb: "EHLO", name: helo },
    tls: null,
    relay: null,
    sender: parseMailbox(`x@${domain ?? "a.test"}`),
    mail: { body: "7bit", smtputf8: false },
  };
}

function toRecord(
  {
    ip,
    score = 0,
    cause = null,
    recipients = 1,
    unknown = 0,
  }: Omit<SentMail, "cause"> & { readonly cause?: Cause | null },
  report: StageReport,
  view: MailFacts,
  number: number,
  at: number,
): TransactionRecord {
  const isRefused = report.verdict.kind === "reject" && report.mode === "enforce";
  const own = report.verdict.findings.reduce((sum, finding) => sum + finding.score, 0);
  const why = isRefused ? "client-blocked" : cause;
  const action = why !== null ? "reject" : score + own >= 7 ? "quarantine" : "relay";
  const findings = score === 0 ? [] : [{ symbol: "OTHERS", score }];
  const others = testReport("others", { verdict: { kind: "neutral", findings } });
  const taken: RecipientRecord = { address: "a@x.test", action, cause: why, reply: "250 2.1.5 ok" };
  const missing: RecipientRecord = {
    address: "b@x.test",
    action: "reject",
    cause: "recipient-unknown",
    reply: "550 5.1.1 no",
  };
  return testRecord(number, {
    client: { ip, port: 40_000 },
    helo: view.helo,
    decidedAt: at,
    recipients: [
      ...Array<RecipientRecord>(recipients).fill(taken),
      ...Array<RecipientRecord>(unknown).fill(missing),
    ],
    reports: [...view.reports, report, others],
    action,
    cause: why,
    score: score + (report.mode === "enforce" ? own : 0),
  });
}
