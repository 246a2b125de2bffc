import { globSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { findProgram } from "./programs.ts";

// For reports that leave on the day after: a gateway that believes it is another time.

/** The program of that name would stay between us and the gateway; only its library is wanted. */
const [library] = globSync("/usr/lib/*/faketime/libfaketime.so.1");

/** Why no gateway can be started at another time; false: one can. */
export function noFaketime(): string | boolean {
  return findProgram("faketime").skip || library === undefined;
}

/** Words before a command, whose clock then starts at this time (UTC). */
export function startingAt(time: string): readonly string[] {
  return ["env", "TZ=UTC", `LD_PRELOAD=${library}`, `FAKETIME=@${time}`];
}

/** What a table of the evidence has counted of a day so far; 0 while there is no such table. */
export function countedIn(
  file: string,
  table: "dmarc_results" | "tls_sessions",
  day: string,
): number {
  try {
    using db = new DatabaseSync(file, { readOnly: true });
    const counts = db.prepare(`SELECT sum(count) AS counted FROM ${table} WHERE day = ?`);
    return Number(counts.get(day)?.counted);
  } catch {
    return 0;
  }
}
