import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import type { Json } from "../base/json.ts";
import type { Log } from "../base/log.ts";
import type { Metrics } from "../base/metrics.ts";
import { createSqliteWorker, type SqliteWorker } from "../base/sqlite-worker.ts";
import type { Reputation } from "./reputation.ts";
import type { GreylistBackend, ReputationBackend, ShelfBackend } from "./reputation-backend.ts";
import type { ReputationOperations, StoredShelfEntry } from "./reputation-store.ts";
import type { ShelfEntry } from "./shelf.ts";
import { createStoredReputation } from "./stored-reputation.ts";
import { HALF_LIFE_MS } from "./subject-record.ts";
import { subjectText } from "./subjects.ts";

/** A session waits no longer; the thread answers in a millisecond unless the disk is dying. */
const ASK_LIMIT_MS = 1000;
const SWEEP_EVERY_MS = 60_000;

export interface SqliteReputationOptions {
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics?: Metrics;
  readonly halfLifeMs?: number;
}

type ReputationWorker = SqliteWorker<ReputationOperations>;

/**
 * `reputation.db` below `folder`. All processes of a gateway open it: SQLite lets one write at a time,
 * and batches take milliseconds. What is written survives the death of a process; after a power cut
 * the last seconds may be gone, which is no promise broken.
 */
export function createSqliteReputation(options: SqliteReputationOptions): Reputation {
  const { folder, clock, log, halfLifeMs = HALF_LIFE_MS } = options;
  const worker = createSqliteWorker<ReputationOperations>({
    dependency: "reputation",
    file: join(folder, "reputation.db"),
    durable: false,
    thread: new URL("./reputation-thread.ts", import.meta.url),
    clock,
    limitMs: ASK_LIMIT_MS,
  });
  const backend = createBackend(worker, halfLifeMs, createSweeper(worker, clock));
  const { metrics } = options;
  const about = { clock, log, halfLifeMs, store: "embedded", ...(metrics && { metrics }) };
  return createStoredReputation(backend, about);
}

function createBackend(
  worker: ReputationWorker,
  halfLifeMs: number,
  sweepSometimes: () => void,
): ReputationBackend {
  return {
    read: (subjects) => worker.call("read", subjects.map(subjectText)),
    write({ subjects, hits, now }) {
      sweepSometimes();
      const lessons = subjects.map(({ subject, learned }) => ({
        key: subjectText(subject),
        learned,
      }));
      return worker.call("write", { lessons, hits, now, halfLifeMs });
    },
    forget: (subjects) => worker.call("forget", subjects.map(subjectText)),
    claim: (id, now, forMs) => worker.call("claim", { id, now, until: now + forMs }),
    greylist: createGreylist(worker),
    shelf: createShelf(worker),
    close: () => worker.close(),
  };
}

function createGreylist(worker: ReputationWorker): GreylistBackend {
  return {
    peek: (key, times, now) => worker.call("greylistPeek", { key, times, now }),
    touch: (key, times, now) => worker.call("greylistTouch", { key, times, now }),
    allow: (key, times, now) => worker.call("greylistAllow", { key, times, now }),
    forget: (key, now) => worker.call("greylistForget", { key, now }),
  };
}

function createShelf(worker: ReputationWorker): ShelfBackend {
  return {
    put: (shelf, { key, value, until }, now) =>
      worker.call("shelfPut", { shelf, key, value: JSON.stringify(value), until, now }),
    get: async (shelf, keys, now) =>
      (await worker.call("shelfGet", { shelf, keys, now })).map(toEntry),
    list: async (shelf, now) => (await worker.call("shelfList", { shelf, now })).map(toEntry),
    remove: (shelf, key, now) => worker.call("shelfRemove", { shelf, key, now }),
  };
}

function toEntry(stored: StoredShelfEntry): ShelfEntry {
  return { ...stored, value: JSON.parse(stored.value) as Json };
}

/** After a write, now and then: a store that nobody uses opens no file. */
function createSweeper(worker: ReputationWorker, clock: Clock): () => void {
  let next = clock.monotonic() + SWEEP_EVERY_MS;
  const sweep = async () => {
    // Of a store that is away the next sweep takes care.
    while (await worker.call("sweep", clock.now()).catch(() => false));
  };
  return () => {
    if (clock.monotonic() < next) return;
    next = clock.monotonic() + SWEEP_EVERY_MS;
    void sweep();
  };
}
