import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import { Unavailable } from "../base/errors.ts";
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
/** Of a batch of what was learned, for which nobody waits. */
const WRITE_LIMIT_MS = 10_000;
const SWEEP_EVERY_MS = 60_000;

export interface SqliteReputationOptions {
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics?: Metrics;
  readonly halfLifeMs?: number;
  readonly askLimitMs?: number;
}

type ReputationWorker = SqliteWorker<ReputationOperations>;

/**
 * `reputation.db` below `folder`. All processes of a gateway open it: SQLite lets one write at a time,
 * and batches take milliseconds. What is written survives the death of a process; after a power cut
 * the last seconds may be gone, which is no promise broken.
 */
export function createSqliteReputation(options: SqliteReputationOptions): Reputation {
  const { folder, clock, log, halfLifeMs = HALF_LIFE_MS, askLimitMs = ASK_LIMIT_MS } = options;
  const worker = createSqliteWorker<ReputationOperations>({
    dependency: "reputation",
    file: join(folder, "reputation.db"),
    durable: false,
    thread: new URL("./reputation-thread.ts", import.meta.url),
    clock,
    limitMs: Math.max(WRITE_LIMIT_MS, askLimitMs),
  });
  const sweepSometimes = createSweeper(worker, clock);
  const ask = createAsk(worker, clock, askLimitMs);
  const backend = createBackend({ worker, ask, halfLifeMs, sweepSometimes });
  const { metrics } = options;
  const about = { clock, log, halfLifeMs, store: "embedded", ...(metrics && { metrics }) };
  return createStoredReputation(backend, about);
}

interface Parts {
  readonly worker: ReputationWorker;
  readonly ask: Ask;
  readonly halfLifeMs: number;
  readonly sweepSometimes: () => void;
}

function createBackend({ worker, ask, halfLifeMs, sweepSometimes }: Parts): ReputationBackend {
  return {
    read: (subjects) => ask("read", subjects.map(subjectText)),
    write({ subjects, hits, now }) {
      sweepSometimes();
      const lessons = subjects.map(({ subject, learned }) => ({
        key: subjectText(subject),
        learned,
      }));
      return worker.call("write", { lessons, hits, now, halfLifeMs });
    },
    forget: (subjects) => ask("forget", subjects.map(subjectText)),
    claim: (id, now, forMs) => ask("claim", { id, now, until: now + forMs }),
    greylist: createGreylist(ask),
    shelf: createShelf(ask),
    close: () => worker.close(),
  };
}

function createGreylist(ask: Ask): GreylistBackend {
  return {
    peek: (key, times, now) => ask("greylistPeek", { key, times, now }),
    touch: (key, times, now) => ask("greylistTouch", { key, times, now }),
    allow: (key, times, now) => ask("greylistAllow", { key, times, now }),
    forget: (key, now) => ask("greylistForget", { key, now }),
  };
}

function createShelf(ask: Ask): ShelfBackend {
  return {
    put: (shelf, { key, value, until }, now) =>
      ask("shelfPut", { shelf, key, value: JSON.stringify(value), until, now }),
    get: async (shelf, keys, now) => (await ask("shelfGet", { shelf, keys, now })).map(toEntry),
    list: async (shelf, now) => (await ask("shelfList", { shelf, now })).map(toEntry),
    remove: (shelf, key, now) => ask("shelfRemove", { shelf, key, now }),
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

type Ask = ReputationWorker["call"];

/**
 * For whom a session waits. One call that is late says that the thread hangs: until it ends nobody else
 * waits as well.
 */
function createAsk(worker: ReputationWorker, clock: Clock, limitMs: number): Ask {
  let late = 0;
  return (operation, input) => {
    if (late > 0) return Promise.reject(new Unavailable("reputation", "the file does not answer"));
    const work = worker.call(operation, input);
    return new Promise((resolve, reject) => {
      const cancel = clock.after(limitMs, () => {
        late++;
        const ended = () => void late--;
        work.then(ended, ended);
        reject(new Unavailable("reputation", `no answer to ${operation} within ${limitMs} ms`));
      });
      work.then(resolve, reject).finally(cancel);
    });
  };
}
