import { createHash } from "node:crypto";
import { createSystemClock } from "../../src/base/clock.ts";
import { createSilentLog } from "../../src/base/log.ts";
import { createSqliteQuarantine } from "../../src/quarantine/sqlite-quarantine.ts";
import { toBytesSource } from "./bytes-source.ts";
import { testHold } from "./test-holds.ts";

/** Holds messages one after another, names each on standard output once it is promised. */
const quarantine = createSqliteQuarantine({
  folder: process.argv[2] ?? "",
  clock: createSystemClock(),
  log: createSilentLog(),
});

async function holdForEver(): Promise<void> {
  for (let number = 0; ; number++) {
    const content = `message ${number}\r\n`.repeat(5000);
    const { id } = await quarantine.hold(testHold(number), toBytesSource(content));
    const sha256 = createHash("sha256").update(content).digest("hex");
    process.stdout.write(`${id} ${sha256}\n`);
  }
}

await Promise.all([holdForEver(), holdForEver()]);
