import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Metrics } from "../base/metrics.ts";
import { createSqliteWorker, type SqliteWorker } from "../base/sqlite-worker.ts";
import { canonicalIp } from "../net/ip.ts";
import type { DmarcPolicyFacts, DmarcResultFacts, Fact } from "../pipeline/facts.ts";
import { FactQueue } from "./fact-queue.ts";
import type { StoredEvidence } from "./stored-evidence.ts";
import { toStoredFact } from "./stored-fact.ts";
import type {
  CountedTlsSession,
  DmarcCounts,
  DmarcDay,
  StageEvidenceQuery,
  TlsSessionCounts,
  TraceQuery,
  TraceRow,
  Tracking,
  TransactionStory,
} from "./tracking.ts";
import type { StoredQuery, TrackingOperations } from "./tracking-store.ts";

/** About 20 s of a busy edge; and never more memory than the second number, in characters. */
const DEFAULT_QUEUE_LIMIT = 10_000;
const QUEUE_CHARS = 64 * 1024 * 1024;
/** A search over this many milliseconds is ended, with its thread. */
const SEARCH_LIMIT_MS = 60_000;
/** A write that takes longer than this is taken for a dead disk. */
const WRITE_LIMIT_MS = 30_000;
/** Transactions that one bite of the retention removes: some ten milliseconds of the writer. */
const EXPIRE_BITE = 500;
/** Transactions that one reading of evidence unpacks: well under a second. */
const EVIDENCE_BITE = 500;

export interface SqliteTrackingOptions {
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics?: Metrics;
  /** Facts that may wait for the writer; beyond it they are lost and counted. */
  readonly queueLimit?: number;
}

type TrackingWorker = SqliteWorker<TrackingOperations>;

/** Starts nothing: the writer's thread comes with the first fact, the reader's with a search. */
export function createSqliteTracking(options: SqliteTrackingOptions): Tracking {
  const writer = startWorker(options, { limitMs: WRITE_LIMIT_MS });
  const reader = startWorker(options, { limitMs: SEARCH_LIMIT_MS, endWhenLate: true });
  const queue = new FactQueue({
    clock: options.clock,
    log: options.log,
    maxFacts: options.queueLimit ?? DEFAULT_QUEUE_LIMIT,
    maxChars: QUEUE_CHARS,
    write: (facts) => writer.call("insert", facts),
  });
  options.metrics?.gauge(
    "postern_tracking_lost_facts",
    "Facts that the tracking store could not take since the start.",
    () => queue.lost(),
  );
  /** A search sees what was recorded before it; a store that is away answers for itself. */
  const settle = () => queue.flush().catch(() => {});
  return {
    record: (fact) => record(fact, queue, options.log),
    flush: () => queue.flush(),
    lost: () => queue.lost(),
    async explain(id) {
      await settle();
      return toStory(await reader.call("explain", id));
    },
    async trace(query) {
      await settle();
      const rows = await reader.call("trace", toStoredQuery(query));
      return rows.map((row) => JSON.parse(row) as TraceRow);
    },
    async *stageEvidence(query) {
      await settle();
      yield* readEvidence(reader, query);
    },
    ...dailyCounts(reader, writer, settle),
    expire: (before) => expire(writer, before),
    async close() {
      await queue.close();
      await Promise.all([writer.close(), reader.close()]);
    },
  };
}

/** What reports are made of. */
function dailyCounts(
  reader: TrackingWorker,
  writer: TrackingWorker,
  settle: () => Promise<void>,
): TlsSessionCounts & DmarcCounts {
  return {
    async tlsDomains(day) {
      await settle();
      return reader.call("tlsDomains", day);
    },
    async tlsSessions(day, domain) {
      await settle();
      return (await reader.call("tlsSessions", { day, domain })).map(toCountedSession);
    },
    noteTlsReport: (day, domain) => writer.call("noteTlsReport", { day, domain }),
    async dmarcDomains(day) {
      await settle();
      return reader.call("dmarcDomains", day);
    },
    async dmarcDay(day, domain) {
      await settle();
      return toDmarcDay(await reader.call("dmarcDay", { day, domain }));
    },
    noteDmarcReport: (day, domain) => writer.call("noteDmarcReport", { day, domain }),
  };
}

async function* readEvidence(reader: TrackingWorker, { stage, since, most }: StageEvidenceQuery) {
  let before: number | null = null;
  for (let left = most; left > 0; left -= EVIDENCE_BITE) {
    const limit = Math.min(left, EVIDENCE_BITE);
    const query = { stage, since, before, limit };
    const bite: StoredEvidence = await reader.call("stageEvidence", query);
    yield* bite.found;
    if (bite.before === null) return;
    before = bite.before;
  }
}

function startWorker(
  { folder, clock }: SqliteTrackingOptions,
  limits: { readonly limitMs: number; readonly endWhenLate?: boolean },
): TrackingWorker {
  return createSqliteWorker<TrackingOperations>({
    dependency: "tracking",
    file: join(folder, "tracking.db"),
    durable: false,
    thread: new URL("./tracking-thread.ts", import.meta.url),
    clock,
    ...limits,
  });
}

function record(fact: Fact, queue: FactQueue, log: Log): boolean {
  try {
    return queue.push(toStoredFact(fact));
  } catch (error) {
    log.error("tracking-fact-malformed", { kind: fact.kind, error: errorText(error) });
    return queue.lose(1);
  }
}

function toStory(stored: ReturnType<TrackingOperations["explain"]>): TransactionStory | null {
  if (!stored) return null;
  return {
    record: JSON.parse(stored.record) as TransactionStory["record"],
    fate: stored.facts.map((fact) => JSON.parse(fact) as Fact),
  };
}

function toCountedSession(row: {
  readonly session: string;
  readonly count: number;
}): CountedTlsSession {
  return { ...(JSON.parse(row.session) as CountedTlsSession), count: row.count };
}

function toDmarcDay(stored: ReturnType<TrackingOperations["dmarcDay"]>): DmarcDay | null {
  if (!stored) return null;
  const { policy, leftOut, results } = stored;
  return {
    // That of the domain "" has none.
    policy: JSON.parse(policy || "null") as DmarcPolicyFacts,
    leftOut,
    results: results.map(({ result, count }) => ({
      ...(JSON.parse(result) as DmarcResultFacts),
      count,
    })),
  };
}

function toStoredQuery({ from, to, subject, ip, since, limit }: TraceQuery): StoredQuery {
  const lower = (text: string | undefined) => (text ? text.toLowerCase() : null);
  return {
    from: lower(from),
    to: lower(to),
    subject: lower(subject),
    ip: ip ? (canonicalIp(ip) ?? ip.toLowerCase()) : null,
    since: since ?? 0,
    limit,
  };
}

async function expire(writer: TrackingWorker, before: number): Promise<number> {
  let total = 0;
  for (;;) {
    const bite = await writer.call("expire", { before, most: EXPIRE_BITE });
    total += bite.transactions;
    if (bite.transactions < EXPIRE_BITE && bite.facts < EXPIRE_BITE) return total;
  }
}
