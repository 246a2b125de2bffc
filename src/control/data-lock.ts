import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { keepToOwner } from "../base/sqlite-database.ts";

/**
 * The right to open the stores of a data folder: at most one process has it. It is a lock of the
 * kernel on an empty SQLite file (node has no flock of its own), so that it ends with its process,
 * however that ends, and no number of a dead process can be mistaken for a living one. Beside it a
 * note says who holds it, for people.
 */
export interface DataLock {
  /** False when another process, or another part of this one, holds it. Throws when the folder
   * cannot be used. */
  take(purpose: "gateway" | "command"): Promise<boolean>;
  /** Who says to hold it; null when nobody does, or it cannot be told. */
  holder(): Promise<LockHolder | null>;
  release(): Promise<void>;
}

export interface LockHolder {
  readonly pid: number;
  readonly purpose: string;
}

/** Makes the folder with mode 0700 when it is taken. */
export function createDataLock(dataDir: string): DataLock {
  const note = join(dataDir, "lock.json");
  let held: DatabaseSync | null = null;
  // Listens to nothing but keeps the file reachable: garbage would be closed, and the lock be free.
  const keep = () => void held;
  return {
    async take(purpose) {
      if (held) return false;
      await mkdir(dataDir, { recursive: true, mode: 0o700 });
      held = lockFile(join(dataDir, "lock"));
      if (!held) return false;
      process.on("exit", keep);
      const holder: LockHolder = { pid: process.pid, purpose };
      await writeFile(note, `${JSON.stringify(holder)}\n`, { mode: 0o600 }).catch(() => {});
      return true;
    },
    holder: () => readNote(note),
    async release() {
      if (!held) return;
      await rm(note, { force: true });
      held.close();
      held = null;
      process.off("exit", keep);
    },
  };
}

const SQLITE_BUSY = 5;

function lockFile(file: string): DatabaseSync | null {
  const db = new DatabaseSync(file, { timeout: 0 });
  // Who can read it can lock it, and so keep the gateway from starting.
  keepToOwner(file);
  try {
    db.exec("BEGIN EXCLUSIVE");
    return db;
  } catch (error) {
    db.close();
    if (error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY) return null;
    throw error;
  }
}

async function readNote(note: string): Promise<LockHolder | null> {
  try {
    const value: unknown = JSON.parse(await readFile(note, "utf8"));
    if (typeof value !== "object" || value === null) return null;
    if (!("pid" in value) || !("purpose" in value)) return null;
    return { pid: Number(value.pid), purpose: String(value.purpose) };
  } catch {
    return null;
  }
}
