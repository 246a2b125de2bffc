import { DatabaseSync } from "node:sqlite";

/** Of what is wrong the first is told: the file is to be restored, not repaired by hand. */
const LOOK = "PRAGMA quick_check(1)";

/**
 * What is wrong with a file of SQLite, in SQLite's words; null when it is whole. Reads all of it,
 * beside those who have it open. Synchronous. Throws what the file system says.
 */
export function damageIn(file: string): string | null {
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    const said = Object.values(db.prepare(LOOK).get() ?? {}).join();
    // A line before it says of which database, and there is one.
    return said === "ok" ? null : (said.split("\n").at(-1) ?? said);
  } finally {
    db.close();
  }
}
