import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { createSilentLog } from "../../src/base/log.ts";
import { createDiskSpool } from "../../src/spool/disk-spool.ts";
import { createSpoolIo, type SpoolIo } from "../../src/spool/spool-io.ts";
import { afterwards } from "../support/afterwards.ts";
import { toBytesSource } from "../support/bytes-source.ts";
import { spawnGateway } from "../support/gateway-process.ts";
import { startScriptedHub } from "../support/scripted-hub.ts";
import { toSpoolItem } from "../support/spool-item.ts";
import { writeGatewayFiles } from "../support/test-gateway.ts";

const ENTRIES = process.env.POSTERN_TEST_FULL ? 100_000 : 10_000;
/** Issue 4: also with 100,000 entries. */
const START_LIMIT_MS = 10_000;
const AT_ONCE = 50;

/** Without fsync: a full spool is wanted here, not a safe one. */
async function fill(folder: string): Promise<void> {
  const disk = createSpoolIo();
  const io: SpoolIo = {
    ...disk,
    syncFolder: async () => {},
    create: async (path) => ({ ...(await disk.create(path)), sync: async () => {} }),
  };
  const clock = createSystemClock();
  const spool = createDiskSpool({ folder, clock, log: createSilentLog(), io });
  await spool.recover();
  const text = toBytesSource(Buffer.from("Subject: x\r\n\r\nbody\r\n"));
  for (let at = 0; at < ENTRIES; at += AT_ONCE) {
    const more = Array.from({ length: AT_ONCE }, (_, i) =>
      spool.add(toSpoolItem(clock, [`u${at + i}@spooled.test`]), text),
    );
    await Promise.all(more);
  }
}

test(`with ${ENTRIES} entries a gateway starts in ten seconds and delivers at once`, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "postern-full-"));
  const spool = join(folder, "data/spool");
  const due = () => readdirSync(join(spool, "due")).length;
  const hub = await startScriptedHub();
  afterwards(t, async () => {
    await hub.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const smarthosts = [`127.0.0.1:${hub.port}`];
  const routing = { connectors: { hub: { domains: ["spooled.test"], smarthosts } } };
  const domains = { domains: { "spooled.test": { verify: "off", ack: "spool" } } };
  const files = { hubPort: hub.port, policies: { domains, routing } };
  const settingsFile = await writeGatewayFiles(folder, files);
  await fill(spool);
  const start = performance.now();
  const gateway = spawnGateway({ settingsFile });
  afterwards(t, () => gateway.stop());
  await gateway.listening();
  const ms = Math.round(performance.now() - start);
  await hub.waitForMessages(1);
  const left = due();
  assert.ok(ms < START_LIMIT_MS, `${ms} ms`);
  assert.ok(left > ENTRIES / 2, `${left} were left when the first was seen to arrive`);
  t.diagnostic(`listening after ${ms} ms, then ${left} of ${ENTRIES} were left`);
});
