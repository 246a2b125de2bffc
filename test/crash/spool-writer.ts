import { createSystemClock } from "../../src/base/clock.ts";
import { createSilentLog } from "../../src/base/log.ts";
import { createDiskSpool } from "../../src/spool/disk-spool.ts";
import { toBytesSource } from "../support/bytes-source.ts";
import { createFaultyIo } from "../support/faulty-spool-io.ts";
import { toSpoolItem } from "../support/spool-item.ts";

/**
 * A child process that works with a spool and dies at its Nth change of the disk (0: never):
 * `spool-writer.ts FOLDER N`. Each promise made or ended is a line on standard output, written
 * synchronously: "promised ID", "ended ID recipient", "ordered ID" and "unordered ID" (a hold during
 * an attempt, and one that was taken back), "held ID", "releasing ID", "released ID",
 * "removing ID", "removed ID".
 */
const [folder = "", dieAt = "0"] = process.argv.slice(2);
const clock = createSystemClock();
let operations = 0;
/** They leave nothing on the disk: a death before them is one before the next operation. */
const LOOKS = new Set(["open", "read", "peek"]);
const io = createFaultyIo((name) => {
  if (LOOKS.has(name)) return;
  operations += 1;
  if (operations === Number(dieAt)) process.kill(process.pid, "SIGKILL");
});
const spool = createDiskSpool({ folder, clock, log: createSilentLog(), io });
const say = (line: string) => process.stdout.write(`${line}\n`);

await spool.recover();
const text = toBytesSource(Buffer.alloc(150_000, "promised\r\n"));
for (const name of ["one", "two"]) {
  const added = await spool.add(toSpoolItem(clock, [`${name}-a@x`, `${name}-b@x`]), text);
  say(`promised ${added.id}`);
}
const held = await spool.addLeased(toSpoolItem(clock, ["three-a@x", "three-b@x"]), text);
say(`promised ${held.item.id}`);
const leases = [held, ...(await spool.leaseDue(clock.now(), 5))];
const at = clock.now();
const order = { by: "admin", reason: "a test", at };
await spool.desk.hold(held.item.id, order);
say(`ordered ${held.item.id}`);
const other = leases.at(-1)?.item.id ?? "";
await spool.desk.hold(other, order);
await spool.desk.release(other, { at });
say(`unordered ${other}`);
for (const lease of leases) {
  const [first, ...rest] = lease.item.envelope.recipients;
  await lease.retry({ recipients: rest, dueAt: clock.now(), reason: "first is done" });
  say(`ended ${lease.item.id} ${first?.address.spoken}`);
}
const [first, second, third] = spool.list().map(({ id }) => id);
for (const id of [first, third]) {
  await spool.desk.hold(id ?? "", order);
  say(`held ${id}`);
}
say(`releasing ${first}`);
await spool.desk.release(first ?? "", { at });
say(`released ${first}`);
const taken = await spool.desk.take(third ?? "");
if (taken.kind === "taken") {
  say(`removing ${third}`);
  await taken.remove();
  say(`removed ${third}`);
}
await spool.desk.retry(second ?? "", { at });
for (const lease of await spool.leaseDue(clock.now(), 2)) {
  say(`removing ${lease.item.id}`);
  await lease.remove();
  say(`removed ${lease.item.id}`);
}
say(`operations ${operations}`);
