import { errorText } from "../../base/errors.ts";
import type { TransactionId } from "../../base/ids.ts";
import type { Log } from "../../base/log.ts";
import type { Metrics } from "../../base/metrics.ts";
import type { Fact, FactBus, TransactionRecord } from "../../pipeline/facts.ts";
import type { StageReport } from "../../pipeline/report.ts";
import { createBlocks } from "../../reputation/blocks.ts";
import type { Reputation } from "../../reputation/reputation.ts";
import { parseSubject } from "../../reputation/subjects.ts";
import {
  isRefusedBy,
  learnedFrom,
  lessonsOfRelease,
  REPUTATION_STAGE,
  reputationReport,
} from "./learn-outcomes.ts";
import type { ReputationEvidence } from "./reputation-evidence.ts";

export interface LearnerDeps {
  readonly facts: FactBus;
  readonly reputation: Reputation;
  readonly log: Log;
  readonly metrics: Metrics;
  /** The story of a message that was released. */
  readonly recordOf: (id: TransactionId) => Promise<TransactionRecord | null>;
}

export interface Learner {
  /** Ends listening and waits for what is under way. */
  close(): Promise<void>;
}

const HOUR_MS = 3_600_000;
/** A message is taken back once, however often its copies are released. As long as records live. */
const UNLEARNED_FOR_MS = 60 * 24 * HOUR_MS;

/**
 * Learns from what happened: every transaction of a stranger, once, when it is decided; and back, when
 * an operator releases what was held. Blocks whom the stage refused for his level. It only listens, so
 * that nothing it does can change or delay an answer; `judge FILE` and replay have no facts.
 */
export function createLearner(deps: LearnerDeps): Learner {
  const { facts, log, metrics } = deps;
  const counted = {
    outcomes: metrics.counter(
      "postern_reputation_outcomes_total",
      "Messages of strangers by what reputation learned of them",
      ["outcome"],
    ),
    blocks: metrics.counter(
      "postern_reputation_blocks_total",
      "Clients that were blocked for their level",
    ),
    unlearned: metrics.counter(
      "postern_reputation_unlearned_total",
      "Messages that were released, so that what they had taught was taken back",
    ),
  };
  const underWay = new Set<Promise<void>>();
  const work = (task: Promise<void>) => {
    const told = task.catch((error: unknown) =>
      log.error("reputation-not-learned", { error: errorText(error) }),
    );
    underWay.add(told);
    void told.finally(() => underWay.delete(told));
  };
  const stop = facts.listen((fact: Fact) => {
    if (fact.kind === "released") work(unlearn(deps, fact.id, () => counted.unlearned.add()));
    if (fact.kind !== "decided") return;
    const learned = learnedFrom(fact.record);
    if (learned) {
      counted.outcomes.add({ outcome: learned.outcome ?? "none" });
      deps.reputation.learn(learned.lessons);
      return;
    }
    const report = refusalIn(fact.record);
    if (report) work(block(deps, fact.record, report, fact.at, () => counted.blocks.add()));
  });
  return {
    async close() {
      stop();
      await Promise.all(underWay);
    },
  };
}

/** Takes back what a message taught, once; false when there was nothing to take back. */
export async function unlearnMessage(
  { reputation }: Pick<LearnerDeps, "reputation">,
  record: TransactionRecord,
): Promise<boolean> {
  const lessons = lessonsOfRelease(record);
  if (lessons.length === 0) return false;
  const first = await reputation.claim(`unlearned:${record.id}`, UNLEARNED_FOR_MS);
  if (first.kind === "unknown" || !first.value) return false;
  reputation.learn(lessons);
  return true;
}

async function unlearn(deps: LearnerDeps, id: TransactionId, count: () => void): Promise<void> {
  const record = await deps.recordOf(id);
  if (record && (await unlearnMessage(deps, record))) count();
}

/** Of a transaction that was refused for the level of its client. */
function refusalIn(record: TransactionRecord): StageReport | null {
  const report = reputationReport(record);
  return report && isRefusedBy(report) ? report : null;
}

/**
 * The client of a transaction that was refused for its level, and not because it was blocked before.
 * What is known of him goes with it: after the block he begins anew.
 */
async function block(
  { reputation, log }: LearnerDeps,
  record: TransactionRecord,
  report: StageReport,
  at: number,
  count: () => void,
): Promise<void> {
  const { client, block: before, rules } = report.evidence as unknown as ReputationEvidence;
  const subject = parseSubject(client.subject);
  if (before !== null || !subject) return;
  const [finding] = report.verdict.findings;
  const reason = finding?.detail ?? "";
  const until = at + rules.blockHours * HOUR_MS;
  const evidence = { transaction: record.id, record: client.record };
  const by = REPUTATION_STAGE;
  const put = await createBlocks(reputation.blocks).put({ subject, until, reason, by, evidence });
  if (put.kind === "unknown") return;
  await reputation.forget([subject]);
  count();
  log.warn("client-blocked", { client: subject.key, until, reason, id: record.id });
}
