import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createSystemClock } from "../src/base/clock.ts";
import { createSilentLog } from "../src/base/log.ts";
import { createDiskSpool } from "../src/spool/disk-spool.ts";
import { createSpoolIo, type SpoolIo } from "../src/spool/spool-io.ts";
import { toBytesSource } from "../test/support/bytes-source.ts";
import { toSpoolItem } from "../test/support/spool-item.ts";

/** How soon a full spool is at work again, and what it weighs; README.md. */
const { values } = parseArgs({
  options: {
    entries: { type: "string", default: "100000" },
    bytes: { type: "string", default: "4096" },
    domains: { type: "string", default: "50" },
    rounds: { type: "string", default: "3" },
    folder: { type: "string" },
  },
});
const entries = Number(values.entries);
const clock = createSystemClock();
const log = createSilentLog();
/** Entries made beside each other. */
const AT_ONCE = 50;

await using stack = new AsyncDisposableStack();
const folder = values.folder ?? (await mkdtemp(join(tmpdir(), "postern-spool-bench-")));
if (!values.folder) stack.defer(() => rm(folder, { recursive: true, force: true }));
if (!existsSync(join(folder, "due"))) await fill();
for (let round = 0; round < Number(values.rounds); round++) process.stdout.write(await measure());

/** Without fsync: only their names and octets matter here. */
async function fill(): Promise<void> {
  const disk = createSpoolIo();
  const io: SpoolIo = {
    ...disk,
    syncFolder: async () => {},
    create: async (path) => ({ ...(await disk.create(path)), sync: async () => {} }),
  };
  const spool = createDiskSpool({ folder, clock, log, io });
  await spool.recover();
  const text = toBytesSource(Buffer.alloc(Number(values.bytes), "text\r\n"));
  for (let at = 0; at < entries; at += AT_ONCE) {
    const adds = Array.from({ length: AT_ONCE }, (_, i) => {
      const to = `user${at + i}@d${(at + i) % Number(values.domains)}.test`;
      return spool.add(toSpoolItem(clock, [to]), text);
    });
    await Promise.all(adds);
    process.stderr.write(".");
  }
  process.stderr.write("\n");
}

async function measure(): Promise<string> {
  globalThis.gc?.();
  const before = process.memoryUsage();
  const start = performance.now();
  const spool = createDiskSpool({ folder, clock, log });
  const { due } = await spool.recover();
  const recovered = performance.now();
  const leases = [...(await spool.leaseDue(clock.now(), 1))];
  const leased = performance.now();
  await spool.desk.allRead();
  const read = performance.now();
  globalThis.gc?.();
  const heap = (process.memoryUsage().heapUsed - before.heapUsed) / due;
  const picked = performance.now();
  for (let i = 0; i < 100; i++) leases.push(...(await spool.leaseDue(clock.now(), 1)));
  const perLease = (performance.now() - picked) / 100;
  await spool.close();
  const ms = (value: number) => `${value.toFixed(value < 10 ? 1 : 0)} ms`;
  return (
    `${due} entries: recovered ${ms(recovered - start)}, first lease ${ms(leased - recovered)} later, ` +
    `all read ${ms(read - start)}, ${Math.round(heap)} octets of heap an entry, ` +
    `then ${ms(perLease)} a lease\n`
  );
}
