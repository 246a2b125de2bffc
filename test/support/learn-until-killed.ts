import { createSystemClock } from "../../src/base/clock.ts";
import { createSilentLog } from "../../src/base/log.ts";
import { createSqliteReputation } from "../../src/reputation/sqlite-reputation.ts";
import { toClientSubject } from "../../src/reputation/subjects.ts";

/** Learns one thing after another of one client, and names the count of each on standard output. */
const clock = createSystemClock();
const reputation = createSqliteReputation({
  folder: process.argv[2] ?? "",
  clock,
  log: createSilentLog(),
});
const subject = toClientSubject("192.0.2.1");
const PACE_MS = 5;

function learnForEver(count: number): void {
  reputation.learn([{ subject, add: { ham: 1 } }]);
  process.stdout.write(`${count} ${clock.now()}\n`);
  clock.after(PACE_MS, () => learnForEver(count + 1));
}

learnForEver(1);
