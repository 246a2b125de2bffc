import type { StoreDatabase } from "../base/sqlite-database.ts";
import type { StoreModule } from "../base/sqlite-thread.ts";

/**
 * The operations of the quarantine's index, run in its thread. Addresses for searching are in lower
 * case. A row outlives the release or deletion of its message, up to its date.
 */
const SCHEMA = `
CREATE TABLE holds (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  transaction_id TEXT NOT NULL,
  cause TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('held', 'released', 'deleted')),
  ended_by TEXT,
  held_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  sender TEXT NOT NULL,
  recipients TEXT NOT NULL,
  item TEXT NOT NULL
);
CREATE INDEX holds_held_at ON holds (held_at);
CREATE INDEX holds_expires_at ON holds (expires_at);
CREATE INDEX holds_transaction_id ON holds (transaction_id);
CREATE TABLE adopted (at INTEGER NOT NULL);
`;

export type HoldState = "held" | "released" | "deleted";

/** A row on its way in. `item` is NewHold as JSON. */
export interface StoredHold {
  readonly id: string;
  readonly transactionId: string;
  readonly cause: string;
  readonly heldAt: number;
  readonly expiresAt: number;
  readonly bytes: number;
  readonly sha256: string;
  readonly sender: string;
  readonly recipients: string;
  readonly item: string;
}

export interface FoundHold {
  readonly id: string;
  readonly state: HoldState;
  readonly endedBy: string | null;
  readonly bytes: number;
  readonly sha256: string;
  readonly item: string;
}

export interface StoredFilter {
  readonly recipient: string | null;
  readonly sender: string | null;
  readonly cause: string | null;
  readonly state: string | null;
  readonly transactionId: string | null;
  readonly since: number;
  readonly limit: number;
}

interface Act {
  readonly id: string;
  readonly by: string;
}

const operations = {
  survey,
  adopt,
  insert,
  forget,
  find,
  list,
  claim,
  unclaim,
  remove,
  expire,
  forgetAll,
  stats,
};
export type QuarantineOperations = typeof operations;
export const store: StoreModule = { migrations: [SCHEMA], operations };

const FOUND = "SELECT id, state, ended_by, bytes, sha256, item FROM holds";

/** Ids whose bytes must be there; `adopted`: this index and its folder have met before. */
function survey(db: StoreDatabase, _: null): { adopted: boolean; ids: readonly string[] } {
  const rows = db.prepare("SELECT id FROM holds WHERE state <> 'deleted'").all();
  return {
    adopted: db.prepare("SELECT 1 FROM adopted LIMIT 1").get() !== undefined,
    ids: rows.map(({ id }) => String(id)),
  };
}

function adopt(db: StoreDatabase, at: number): void {
  db.prepare("INSERT INTO adopted SELECT ? WHERE NOT EXISTS (SELECT 1 FROM adopted)").run(at);
}

function insert(db: StoreDatabase, hold: StoredHold): void {
  const { id, transactionId, cause, heldAt, expiresAt, bytes, sha256 } = hold;
  db.prepare(
    `INSERT INTO holds (id, transaction_id, cause, state, held_at, expires_at, bytes, sha256,
       sender, recipients, item) VALUES (?, ?, ?, 'held', ?, ?, ?, ?, ?, ?, ?)`,
  ).run(
    id,
    transactionId,
    cause,
    heldAt,
    expiresAt,
    bytes,
    sha256,
    hold.sender,
    hold.recipients,
    hold.item,
  );
}

function forget(db: StoreDatabase, id: string): void {
  db.prepare("DELETE FROM holds WHERE id = ?").run(id);
}

function find(db: StoreDatabase, id: string): FoundHold | null {
  const row = db.prepare(`${FOUND} WHERE id = ?`).get(id);
  return row ? toFound(row) : null;
}

/** Newest first. `instr` has no wildcards that a search text could smuggle in. */
function list(db: StoreDatabase, filter: StoredFilter): readonly FoundHold[] {
  const conditions: readonly (readonly [string, string | null])[] = [
    ["instr(recipients, ?) > 0", filter.recipient],
    ["instr(sender, ?) > 0", filter.sender],
    ["cause = ?", filter.cause],
    ["state = ?", filter.state],
    ["transaction_id = ?", filter.transactionId],
  ];
  const given = conditions.flatMap(([sql, value]) => (value === null ? [] : [{ sql, value }]));
  const where = ["held_at >= ?", ...given.map(({ sql }) => sql)].join(" AND ");
  return db
    .prepare(`${FOUND} WHERE ${where} ORDER BY held_at DESC, seq DESC LIMIT ?`)
    .all(filter.since, ...given.map(({ value }) => value), filter.limit)
    .map(toFound);
}

/** One statement, so that two claims cannot both succeed. */
function claim(db: StoreDatabase, { id, by }: Act): boolean {
  const { changes } = db
    .prepare("UPDATE holds SET state = 'released', ended_by = ? WHERE id = ? AND state = 'held'")
    .run(by, id);
  return Number(changes) === 1;
}

function unclaim(db: StoreDatabase, id: string): void {
  db.prepare(
    "UPDATE holds SET state = 'held', ended_by = NULL WHERE id = ? AND state = 'released'",
  ).run(id);
}

function remove(db: StoreDatabase, { id, by }: Act): boolean {
  const { changes } = db
    .prepare("UPDATE holds SET state = 'deleted', ended_by = ? WHERE id = ? AND state <> 'deleted'")
    .run(by, id);
  return Number(changes) === 1;
}

/** One bite of what is past its date, marked, so that nobody claims it while its bytes go. */
function expire(
  db: StoreDatabase,
  { now, most }: { readonly now: number; readonly most: number },
): readonly string[] {
  return db
    .prepare(
      `UPDATE holds SET state = 'deleted' WHERE seq IN
         (SELECT seq FROM holds WHERE expires_at <= ? ORDER BY expires_at LIMIT ?) RETURNING id`,
    )
    .all(now, most)
    .map(({ id }) => String(id));
}

function forgetAll(db: StoreDatabase, ids: readonly string[]): void {
  db.transaction(() => {
    for (const id of ids) forget(db, id);
  });
}

function stats(db: StoreDatabase, _: null): { held: number; bytes: number } {
  const row = db
    .prepare("SELECT count(*) AS held, sum(bytes) AS bytes FROM holds WHERE state = 'held'")
    .get();
  return { held: Number(row?.held), bytes: Number(row?.bytes ?? 0) };
}

function toFound(row: Readonly<Record<string, unknown>>): FoundHold {
  return {
    id: String(row.id),
    state: row.state as HoldState,
    endedBy: row.ended_by === null ? null : String(row.ended_by),
    bytes: Number(row.bytes),
    sha256: String(row.sha256),
    item: String(row.item),
  };
}
