import type { StoreDatabase } from "../base/sqlite-database.ts";
import type { StoreModule, StoreOperations } from "../base/sqlite-thread.ts";
import {
  type GreylistEntry,
  type GreylistState,
  type GreylistTimes,
  greylisted,
} from "./greylist.ts";
import { MAX_SHELF_ENTRIES, type ShelfEntry } from "./shelf.ts";
import { type Learned, learned, RECORD_LIFE_MS, type StoredRecord } from "./subject-record.ts";

/** Rows of each table that a file keeps; some 500 MB when all are full. */
const MOST_ROWS = { subject: 1_000_000, greylist: 1_000_000, claim: 1_000_000 } as const;
/** Rows that one bite of the sweep removes: some ten milliseconds. */
const SWEEP_BITE = 2000;

const SCHEMA = `
  CREATE TABLE subject (key TEXT PRIMARY KEY, record TEXT NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX subject_until ON subject (until);
  CREATE TABLE greylist (key TEXT PRIMARY KEY, first_seen INTEGER NOT NULL, passed INTEGER NOT NULL,
    until INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX greylist_until ON greylist (until);
  CREATE TABLE claim (key TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX claim_until ON claim (until);
  CREATE TABLE shelf (shelf TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, since INTEGER NOT NULL,
    until INTEGER NOT NULL, hits INTEGER NOT NULL, last_hit INTEGER, PRIMARY KEY (shelf, key)) WITHOUT ROWID;
  CREATE INDEX shelf_until ON shelf (shelf, until);
`;

export interface StoredLesson {
  readonly key: string;
  readonly learned: Learned;
}

interface StoredHit {
  readonly shelf: string;
  readonly key: string;
  readonly count: number;
}

interface GreylistInput {
  readonly key: string;
  readonly times: GreylistTimes;
  readonly now: number;
}

/** Synchronous; input and result survive structured cloning. */
export interface ReputationOperations extends StoreOperations {
  read(db: StoreDatabase, keys: readonly string[]): readonly (StoredRecord | null)[];
  write(
    db: StoreDatabase,
    input: {
      readonly lessons: readonly StoredLesson[];
      readonly hits: readonly StoredHit[];
      readonly now: number;
      readonly halfLifeMs: number;
    },
  ): void;
  forget(db: StoreDatabase, keys: readonly string[]): number;
  claim(
    db: StoreDatabase,
    input: { readonly id: string; readonly now: number; readonly until: number },
  ): boolean;
  greylistPeek(db: StoreDatabase, input: GreylistInput): GreylistState;
  greylistTouch(db: StoreDatabase, input: GreylistInput): GreylistState;
  greylistAllow(db: StoreDatabase, input: GreylistInput): void;
  greylistForget(db: StoreDatabase, input: Omit<GreylistInput, "times">): boolean;
  shelfPut(
    db: StoreDatabase,
    input: {
      readonly shelf: string;
      readonly key: string;
      readonly value: string;
      readonly until: number;
      readonly now: number;
    },
  ): void;
  shelfGet(
    db: StoreDatabase,
    input: { readonly shelf: string; readonly keys: readonly string[]; readonly now: number },
  ): readonly StoredShelfEntry[];
  shelfList(
    db: StoreDatabase,
    input: { readonly shelf: string; readonly now: number },
  ): readonly StoredShelfEntry[];
  shelfRemove(
    db: StoreDatabase,
    input: { readonly shelf: string; readonly key: string; readonly now: number },
  ): boolean;
  /** One bite of what has ended or is too much; true while there is more. */
  sweep(db: StoreDatabase, now: number): boolean;
}

/** Its value is still JSON text. */
export type StoredShelfEntry = Omit<ShelfEntry, "value"> & { readonly value: string };

const operations: ReputationOperations = {
  read: (db, keys) => keys.map((key) => readRecord(db, key)),
  write: (db, { lessons, hits, now, halfLifeMs }) =>
    db.transaction(() => {
      for (const { key, learned: news } of lessons) {
        const after = learned(readRecord(db, key), news, now, halfLifeMs);
        if (after) writeRecord(db, key, after);
      }
      const add = db.prepare(
        "UPDATE shelf SET hits = hits + ?, last_hit = ? WHERE shelf = ? AND key = ?",
      );
      for (const { shelf, key, count } of hits) add.run(count, now, shelf, key);
    }),
  forget: (db, keys) =>
    db.transaction(() =>
      keys.reduce(
        (sum, key) => sum + changes(db.prepare("DELETE FROM subject WHERE key = ?").run(key)),
        0,
      ),
    ),
  claim(db, { id, now, until }) {
    const sql =
      "INSERT INTO claim VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET until = excluded.until WHERE until <= ?";
    return changes(db.prepare(sql).run(id, until, now)) > 0;
  },
  greylistPeek: (db, { key, times, now }) => greylisted(readGreylist(db, key), times, now).state,
  greylistTouch: (db, { key, times, now }) =>
    db.transaction(() => {
      const { entry, state } = greylisted(readGreylist(db, key), times, now);
      writeGreylist(db, key, entry);
      return state;
    }),
  greylistAllow: (db, { key, times, now }) =>
    db.transaction(() => {
      const before = readGreylist(db, key);
      const firstSeen = before && now < before.until ? before.firstSeen : now;
      writeGreylist(db, key, { firstSeen, passed: true, until: now + times.passMs });
    }),
  greylistForget(db, { key, now }) {
    const removed = db.prepare("DELETE FROM greylist WHERE key = ? RETURNING until").get(key);
    return removed !== undefined && Number(removed.until) > now;
  },
  shelfPut: (db, input) => db.transaction(() => putOnShelf(db, input)),
  shelfGet(db, { shelf, keys, now }) {
    const find = db.prepare("SELECT * FROM shelf WHERE shelf = ? AND key = ? AND until > ?");
    return keys.flatMap((key) => {
      const row = find.get(shelf, key, now);
      return row ? [toShelfEntry(row)] : [];
    });
  },
  shelfList: (db, { shelf, now }) =>
    db
      .prepare("SELECT * FROM shelf WHERE shelf = ? AND until > ? ORDER BY since DESC")
      .all(shelf, now)
      .map(toShelfEntry),
  shelfRemove(db, { shelf, key, now }) {
    const sql = "DELETE FROM shelf WHERE shelf = ? AND key = ? RETURNING until";
    const removed = db.prepare(sql).get(shelf, key);
    return removed !== undefined && Number(removed.until) > now;
  },
  sweep: (db, now) => db.transaction(() => sweep(db, now)),
};

export const reputationStore: StoreModule = { migrations: [SCHEMA], operations };

function readRecord(db: StoreDatabase, key: string): StoredRecord | null {
  const row = db.prepare("SELECT record FROM subject WHERE key = ?").get(key);
  return row ? (JSON.parse(String(row.record)) as StoredRecord) : null;
}

function writeRecord(db: StoreDatabase, key: string, record: StoredRecord): void {
  const until = record.lastSeen + RECORD_LIFE_MS;
  db.prepare("INSERT OR REPLACE INTO subject VALUES (?, ?, ?)").run(
    key,
    JSON.stringify(record),
    until,
  );
}

function readGreylist(db: StoreDatabase, key: string): GreylistEntry | null {
  const row = db.prepare("SELECT * FROM greylist WHERE key = ?").get(key);
  if (!row) return null;
  const { first_seen: firstSeen, passed, until } = row;
  return { firstSeen: Number(firstSeen), passed: passed === 1, until: Number(until) };
}

function writeGreylist(db: StoreDatabase, key: string, entry: GreylistEntry): void {
  const { firstSeen, passed, until } = entry;
  const put = db.prepare("INSERT OR REPLACE INTO greylist VALUES (?, ?, ?, ?)");
  put.run(key, firstSeen, passed ? 1 : 0, until);
}

function putOnShelf(
  db: StoreDatabase,
  { shelf, key, value, until, now }: Parameters<ReputationOperations["shelfPut"]>[1],
): void {
  db.prepare("DELETE FROM shelf WHERE shelf = ? AND until <= ?").run(shelf, now);
  const sql = `INSERT INTO shelf VALUES (?, ?, ?, ?, ?, 0, NULL) ON CONFLICT (shelf, key)
    DO UPDATE SET value = excluded.value, since = excluded.since, until = excluded.until`;
  db.prepare(sql).run(shelf, key, value, now, until);
  const count = Number(
    db.prepare("SELECT COUNT(*) AS n FROM shelf WHERE shelf = ?").get(shelf)?.n ?? 0,
  );
  if (count <= MAX_SHELF_ENTRIES) return;
  db.prepare(
    "DELETE FROM shelf WHERE shelf = ?1 AND key IN (SELECT key FROM shelf WHERE shelf = ?1 ORDER BY until LIMIT ?2)",
  ).run(shelf, count - MAX_SHELF_ENTRIES);
}

function toShelfEntry(row: Readonly<Record<string, unknown>>): StoredShelfEntry {
  const { key, value, since, until, hits, last_hit: lastHit } = row;
  return {
    key: String(key),
    value: String(value),
    since: Number(since),
    until: Number(until),
    hits: Number(hits),
    lastHit: lastHit === null ? null : Number(lastHit),
  };
}

function sweep(db: StoreDatabase, now: number): boolean {
  let more = false;
  for (const [table, most] of Object.entries(MOST_ROWS)) {
    const ended = db
      .prepare(
        `DELETE FROM ${table} WHERE key IN (SELECT key FROM ${table} WHERE until <= ? ORDER BY until LIMIT ?)`,
      )
      .run(now, SWEEP_BITE);
    const rows = Number(db.prepare(`SELECT COUNT(*) AS n FROM ${table}`).get()?.n ?? 0);
    const bite = Math.min(SWEEP_BITE, Math.max(0, rows - most));
    if (bite > 0)
      db.prepare(
        `DELETE FROM ${table} WHERE key IN (SELECT key FROM ${table} ORDER BY until LIMIT ?)`,
      ).run(bite);
    more ||= changes(ended) === SWEEP_BITE || bite === SWEEP_BITE;
  }
  return more;
}

function changes(result: { readonly changes: number | bigint }): number {
  return Number(result.changes);
}
