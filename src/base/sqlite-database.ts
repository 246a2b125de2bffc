import { chmodSync, closeSync, fsyncSync, mkdirSync, openSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";

/** How long one connection waits for another's write lock. Batches take milliseconds. */
const BUSY_MS = 5000;
/** Pages freed by retention that the write-ahead log may keep on disk after a checkpoint. */
const LOG_BYTES_KEPT = 16 * 1024 * 1024;

/** One open SQLite file. Synchronous: for worker threads only. */
export interface StoreDatabase {
  /** The file did not exist, or was empty, before this open. */
  readonly created: boolean;
  /** Prepared once for each text. Values are bound, never pasted into the text. */
  prepare(sql: string): StatementSync;
  /** All of `work` or nothing. */
  transaction<T>(work: () => T): T;
  /** True when the file under the name is no longer the one that is open. */
  isMoved(): boolean;
  close(): void;
}

export interface StoreSchema {
  /** Statement i leads from version i to i + 1 (`user_version`). Append only. */
  readonly migrations: readonly string[];
}

export interface StoreFile {
  readonly file: string;
  /** Every commit is on the disk when it returns (synchronous=FULL); else after a checkpoint. */
  readonly durable: boolean;
}

/** Opens or makes the file and brings it to the newest version. Throws what SQLite throws. */
export function openStoreDatabase(target: StoreFile, schema: StoreSchema): StoreDatabase {
  mkdirSync(dirname(target.file), { recursive: true, mode: 0o700 });
  const db = new DatabaseSync(target.file, { timeout: BUSY_MS, defensive: true });
  keepToOwner(target.file);
  try {
    db.exec("PRAGMA journal_mode = WAL");
    db.exec(`PRAGMA synchronous = ${target.durable ? "FULL" : "NORMAL"}`);
    db.exec(`PRAGMA journal_size_limit = ${LOG_BYTES_KEPT}`);
    const created = migrate(db, schema.migrations);
    if (created) syncFolder(dirname(target.file));
    return wrap(db, target.file, created);
  } catch (error) {
    db.close();
    throw error;
  }
}

/**
 * For a file that SQLite has opened and not yet written to: the files that it makes beside it get the
 * same mode. Not by a descriptor, since closing one would end all locks of this process on the file.
 */
export function keepToOwner(file: string): void {
  try {
    chmodSync(file, 0o600);
  } catch {
    // A file system without modes, or somebody else's file: its folder is closed to others as well.
  }
}

/** Returns whether the database was empty. Two threads may open at once: one migrates. */
function migrate(db: DatabaseSync, migrations: readonly string[]): boolean {
  const found = versionOf(db);
  if (found > migrations.length)
    throw new Error(
      `the file has schema version ${found}, this program knows ${migrations.length}`,
    );
  if (found === migrations.length) return false;
  db.exec("BEGIN IMMEDIATE");
  try {
    const current = versionOf(db);
    for (const sql of migrations.slice(current)) db.exec(sql);
    db.exec(`PRAGMA user_version = ${migrations.length}`);
    db.exec("COMMIT");
    return current === 0;
  } catch (error) {
    db.exec("ROLLBACK");
    throw error;
  }
}

function versionOf(db: DatabaseSync): number {
  return Number(db.prepare("PRAGMA user_version").get()?.user_version ?? 0);
}

function wrap(db: DatabaseSync, file: string, created: boolean): StoreDatabase {
  const statements = new Map<string, StatementSync>();
  const opened = statSync(file);
  return {
    created,
    prepare(sql) {
      const known = statements.get(sql);
      if (known) return known;
      const statement = db.prepare(sql);
      statements.set(sql, statement);
      return statement;
    },
    transaction(work) {
      db.exec("BEGIN IMMEDIATE");
      try {
        const result = work();
        db.exec("COMMIT");
        return result;
      } catch (error) {
        // SQLite itself has rolled back after a full disk or an I/O error.
        if (db.isTransaction) db.exec("ROLLBACK");
        throw error;
      }
    },
    isMoved() {
      const now = statSync(file, { throwIfNoEntry: false });
      return now?.ino !== opened.ino || now.dev !== opened.dev;
    },
    close: () => db.close(),
  };
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
