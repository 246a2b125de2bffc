import type { Log } from "../base/log.ts";
import type { Metrics } from "../base/metrics.ts";
import type { Fact, FactBus, SigningRecord, TransactionRecord } from "../pipeline/facts.ts";

/** One JSON line a fact; the `decided` line tells the whole story of a transaction. */
export function logFacts(facts: FactBus, log: Log): void {
  facts.listen((fact) => {
    if (fact.kind === "decided") log.info("decided", decidedFields(fact.record));
    else log.info(fact.kind, { ...fact, kind: undefined });
  });
}

function decidedFields(record: TransactionRecord) {
  const { reports } = record;
  const symbols = reports.flatMap(({ verdict }) => verdict.findings.map(({ symbol }) => symbol));
  const unanswered = reports.filter(({ outcome }) => outcome === "failed" || outcome === "timeout");
  return {
    id: record.id,
    session: record.sessionId,
    client: record.client.ip,
    ...(record.origin !== undefined && { origin: record.origin?.ip ?? null }),
    helo: record.helo.name,
    tls: record.tls?.protocol,
    pipeline: record.pipeline,
    user: record.relay?.by === "password" ? record.relay.user : undefined,
    sender: record.sender,
    recipients: record.recipients.map(({ address }) => address),
    action: record.action,
    cause: record.cause,
    stage: record.stage,
    score: record.score,
    scl: record.scl,
    symbols: [...new Set(symbols)],
    degraded: unanswered.map(({ stage }) => stage),
    size: record.message?.size,
    messageId: record.message?.messageId,
    via: record.via,
    signing: record.signing?.map(inBrief),
    reply: record.reply,
    ms: record.decidedAt - record.receivedAt,
    policy: record.policyVersion,
  };
}

/** `signed example.org/r202611`. */
function inBrief(record: SigningRecord): string {
  switch (record.kind) {
    case "signed":
      return `signed ${record.signatures.map((one) => `${one.domain}/${one.selector}`).join(" ")}`;
    case "sealed":
      return `sealed ${record.domain}/${record.selector} i=${record.instance} cv=${record.cv}`;
    default:
      return `${record.kind}: ${record.reason}`;
  }
}

const BOUNCES: ReadonlyMap<Fact["kind"], string> = new Map<Fact["kind"], string>([
  ["bounced", "failed"],
  ["told-of-delay", "delayed"],
  ["told-of-relay", "relayed"],
  ["bounce-dropped", "dropped"],
]);

const STAGE_SECONDS = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60] as const;

/** Counts facts. Labels are closed lists: nothing that a sender wrote becomes a label. */
export function countFacts(facts: FactBus, metrics: Metrics): void {
  const decisions = metrics.counter("postern_decisions_total", "Transactions by outcome", [
    "action",
    "cause",
    "pipeline",
  ]);
  const fates = metrics.counter("postern_facts_total", "What became of accepted mail", ["kind"]);
  const stages = metrics.counter("postern_stage_outcomes_total", "Stage runs by outcome", [
    "stage",
    "outcome",
  ]);
  const seconds = metrics.histogram(
    "postern_stage_seconds",
    "How long a stage took",
    STAGE_SECONDS,
    ["stage"],
  );
  const edits = metrics.counter("postern_edits_total", "Changes to envelopes and headers", [
    "stage",
    "kind",
  ]);
  const findings = metrics.counter("postern_findings_total", "Marks that stages made", ["symbol"]);
  const bounces = metrics.counter(
    "postern_bounces_total",
    "Delivery status messages to senders by what they tell; dropped: could not be delivered",
    ["kind"],
  );
  facts.listen((fact: Fact) => {
    if (fact.kind !== "decided") {
      const bounce = BOUNCES.get(fact.kind);
      if (bounce) bounces.add({ kind: bounce });
      return fates.add({ kind: fact.kind });
    }
    const { action, cause, pipeline = "inbound", reports } = fact.record;
    decisions.add({ action, cause: cause ?? "none", pipeline });
    for (const { stage, outcome, ms, verdict } of reports) {
      stages.add({ stage, outcome });
      seconds.observe(ms / 1000, { stage });
      for (const { kind } of verdict.edits ?? []) edits.add({ stage, kind });
      for (const { symbol } of verdict.findings) findings.add({ symbol });
    }
  });
}
