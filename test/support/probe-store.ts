import type { StoreDatabase } from "../../src/base/sqlite-database.ts";
import type { StoreModule } from "../../src/base/sqlite-thread.ts";

/** A store whose operations misbehave when asked to. */
const operations = {
  /** Adds a number, returns how many there are. */
  add(db: StoreDatabase, number: number): number {
    db.prepare("INSERT INTO numbers VALUES (?)").run(number);
    return Number(db.prepare("SELECT count(*) AS n FROM numbers").get()?.n);
  },
  addAndThrow(db: StoreDatabase, number: number): void {
    db.transaction(() => {
      db.prepare("INSERT INTO numbers VALUES (?)").run(number);
      throw new Error("on purpose");
    });
  },
  setVersion(db: StoreDatabase, version: number): void {
    db.prepare(`PRAGMA user_version = ${version}`).run();
  },
  die(_db: StoreDatabase, _input: null): void {
    process.exit(3);
  },
  spin(_db: StoreDatabase, _input: null): void {
    for (;;);
  },
};
export type ProbeOperations = typeof operations;
export const store: StoreModule = {
  migrations: ["CREATE TABLE numbers (n INTEGER NOT NULL)"],
  operations,
};
