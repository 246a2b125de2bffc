import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Unavailable } from "../../src/base/errors.ts";
import { createSilentLog } from "../../src/base/log.ts";
import { createDiskSpool } from "../../src/spool/disk-spool.ts";
import type { HoldOrder, Spool, SpoolItem } from "../../src/spool/spool.ts";
import type { SpoolIo } from "../../src/spool/spool-io.ts";
import { readAll, toBytesSource } from "../support/bytes-source.ts";
import { createFaultyIo, systemError } from "../support/faulty-spool-io.ts";
import { clock, folderFor, leaseOne } from "../support/spool-folder.ts";
import { toSpoolItem } from "../support/spool-item.ts";

const TEXT = Buffer.from("Subject: x\r\n\r\nbody\r\n");
const ORDER = { by: "admin", reason: "planned work", at: clock.now() };
const NOW = { at: clock.now() };

async function openSpool(folder: string, io?: SpoolIo): Promise<Spool> {
  const spool = createDiskSpool({ folder, clock, log: createSilentLog(), ...(io && { io }) });
  await spool.recover();
  return spool;
}

async function openWithOne(t: TestContext, io?: SpoolIo) {
  const folder = folderFor(t);
  const spool = await openSpool(folder, io);
  const { id } = await spool.add(toSpoolItem(clock, ["a@x", "b@x"]), toBytesSource(TEXT));
  return { folder, spool, id, desk: spool.desk };
}

const isLeasable = async (spool: Spool) => (await spool.leaseDue(clock.now(), 1)).length === 1;
const kind = async (result: Promise<{ readonly kind: string }>) => (await result).kind;

test("a held entry is not delivered, also after a restart, and a released one is", async (t) => {
  const { folder, spool, id, desk } = await openWithOne(t);
  assert.equal(await kind(desk.hold(id, ORDER)), "done");
  assert.equal(await kind(desk.hold(id, ORDER)), "unchanged");
  assert.equal(await isLeasable(spool), false);
  const next = await openSpool(folder);
  assert.equal(await isLeasable(next), false);
  assert.deepEqual((await next.desk.read(id))?.item.held, ORDER);
  assert.equal(await kind(next.desk.release(id, NOW)), "done");
  assert.equal(await kind(next.desk.release(id, NOW)), "unchanged");
  const lease = await leaseOne(next);
  assert.deepEqual([lease.item.held, await readAll(lease.source)], [undefined, TEXT]);
});

test("a hold keeps what is left and how often it was tried", async (t) => {
  const { folder, spool, id } = await openWithOne(t);
  const lease = await leaseOne(spool);
  const [, b] = lease.item.envelope.recipients;
  await lease.retry({ recipients: [b!], dueAt: clock.now(), reason: "450 later" });
  await spool.desk.hold(id, ORDER);
  const next = await openSpool(folder);
  await next.desk.release(id, NOW);
  const { item } = await leaseOne(next);
  assert.deepEqual(
    [item.attempts, item.reason, item.envelope.recipients[0]?.address.spoken],
    [1, "450 later", "b@x"],
  );
});

test("an order while an attempt is under way takes nothing from it", async (t) => {
  const { spool, id, desk } = await openWithOne(t);
  const lease = await leaseOne(spool);
  assert.equal(await kind(desk.retry(id, NOW)), "active");
  assert.equal(await kind(desk.take(id)), "active");
  assert.equal(await kind(desk.release(id, NOW)), "active");
  await lease.remove();
  assert.equal(await kind(desk.retry(id, NOW)), "not-found");
});

test("a hold while an attempt is under way holds what the attempt leaves", async (t) => {
  const { folder, spool, id, desk } = await openWithOne(t);
  const lease = await leaseOne(spool);
  assert.deepEqual(await desk.hold(id, ORDER), { kind: "active", willHold: true });
  const { recipients } = lease.item.envelope;
  await lease.retry({ recipients, dueAt: clock.now(), reason: "450" });
  assert.equal(await isLeasable(spool), false);
  assert.deepEqual(readdirSync(join(folder, "held")), [id]);
  assert.equal(await isLeasable(await openSpool(folder)), false);
});

test("a hold that comes while an attempt writes down its end is not forgotten", async (t) => {
  const { spool, id, desk } = await openWithOne(t);
  const lease = await leaseOne(spool);
  const { recipients } = lease.item.envelope;
  const ending = lease.retry({ recipients, dueAt: clock.now(), reason: "450" });
  assert.equal(await kind(desk.hold(id, ORDER)), "done");
  await ending;
  assert.equal(await isLeasable(spool), false);
  assert.equal(spool.stats().held, 1);
});

test("a hold of what is being delivered can be taken back", async (t) => {
  const { spool, id, desk } = await openWithOne(t);
  const lease = await leaseOne(spool);
  await desk.hold(id, ORDER);
  await desk.release(id, NOW);
  const { recipients } = lease.item.envelope;
  await lease.retry({ recipients, dueAt: clock.now(), reason: "450" });
  assert.equal(await isLeasable(spool), true);
});

test("a hold while an attempt is under way outlives a crash, and is told", async (t) => {
  const { folder, spool, id, desk } = await openWithOne(t);
  await leaseOne(spool);
  await desk.hold(id, ORDER);
  const told: HoldOrder[] = [];
  const onHeld = (_: SpoolItem, order: HoldOrder) => void told.push(order);
  const next = createDiskSpool({ folder, clock, log: createSilentLog(), onHeld });
  assert.deepEqual((({ due, held }) => ({ due, held }))(await next.recover()), { due: 0, held: 1 });
  assert.equal(await isLeasable(next), false);
  assert.deepEqual(told, [ORDER]);
  const story = await next.desk.read(id);
  assert.deepEqual([story?.item.held, story?.item.crashes, story?.item.attempts], [ORDER, 1, 1]);
  assert.equal(await isLeasable(await openSpool(folder)), false);
  await next.desk.release(id, NOW);
  assert.deepEqual(await readAll((await leaseOne(next)).source), TEXT);
});

test("a hold while an attempt is under way outlives a stop, which is no crash", async (t) => {
  const { folder, spool, id, desk } = await openWithOne(t);
  await leaseOne(spool);
  await desk.hold(id, ORDER);
  await spool.close();
  const next = await openSpool(folder);
  assert.equal(await isLeasable(next), false);
  const story = await next.desk.read(id);
  assert.deepEqual([story?.item.held, story?.item.crashes], [ORDER, undefined]);
});

test("a hold that was taken back, or whose entry was delivered, leaves nothing for a crash", async (t) => {
  const { folder, spool, id, desk } = await openWithOne(t);
  const lease = await leaseOne(spool);
  await desk.hold(id, ORDER);
  await desk.release(id, NOW);
  const next = await openSpool(folder);
  assert.equal(next.stats().held, 0);
  assert.equal(await isLeasable(next), true);
  await next.desk.hold(id, ORDER);
  await lease.remove();
  assert.deepEqual((await openSpool(folder)).list(), []);
});

test("a hold during an attempt that cannot be written down fails, and changes nothing", async (t) => {
  let broken = "";
  const io = createFaultyIo((name) => {
    if (name === broken) throw systemError("ENOSPC");
  });
  const { folder, spool, id, desk } = await openWithOne(t, io);
  const lease = await leaseOne(spool);
  for (broken of ["open", "truncate", "write"])
    await assert.rejects(desk.hold(id, ORDER), Unavailable);
  broken = "";
  const { recipients } = lease.item.envelope;
  await lease.retry({ recipients, dueAt: clock.now(), reason: "450" });
  assert.equal((await openSpool(folder)).stats().held, 0);
  assert.equal(await isLeasable(spool), true);
});

test("a hold that comes while an entry is being leased is not forgotten", async (t) => {
  let whenRead = () => {};
  const io = createFaultyIo((name) => {
    if (name === "peek") whenRead();
  });
  const { folder, spool, id, desk } = await openWithOne(t, io);
  let answer: Promise<unknown> | null = null;
  whenRead = () => {
    whenRead = () => {};
    answer = desk.hold(id, ORDER);
  };
  await leaseOne(spool);
  assert.deepEqual(await answer, { kind: "active", willHold: true });
  assert.equal(await isLeasable(await openSpool(folder)), false);
});

test("a retry makes due now what would have waited", async (t) => {
  const { spool, id, desk } = await openWithOne(t);
  const lease = await leaseOne(spool);
  const { recipients } = lease.item.envelope;
  await lease.retry({ recipients, dueAt: clock.now() + 3_600_000, reason: "450" });
  assert.equal(await isLeasable(spool), false);
  assert.equal(await kind(desk.retry(id, NOW)), "done");
  assert.equal(spool.nextDueAt(), clock.now());
  assert.equal(await isLeasable(spool), true);
});

test("what is taken is delivered by nobody, until it is put back", async (t) => {
  const { spool, id, desk } = await openWithOne(t);
  const taken = await desk.take(id);
  assert.ok(taken.kind === "taken");
  assert.equal(await isLeasable(spool), false);
  assert.equal(await kind(desk.hold(id, ORDER)), "active");
  taken.putBack();
  assert.equal(await isLeasable(spool), true);
});

test("what is taken and removed is gone for good", async (t) => {
  const { folder, spool, id, desk } = await openWithOne(t);
  const taken = await desk.take(id);
  assert.ok(taken.kind === "taken");
  await taken.remove();
  assert.deepEqual(spool.list(), []);
  assert.equal(spool.stats().bytes, 0);
  assert.deepEqual((await openSpool(folder)).list(), []);
});

test("what was held and taken is held after a crash", async (t) => {
  const { folder, spool, id, desk } = await openWithOne(t);
  await desk.hold(id, ORDER);
  assert.equal(await kind(spool.desk.take(id)), "taken");
  assert.equal(await isLeasable(await openSpool(folder)), false);
});

test("an order that fails leaves the entry owed, as it was", async (t) => {
  let broken = "";
  const io = createFaultyIo((name) => {
    if (name === broken) throw systemError("EIO");
  });
  const { spool, id, desk } = await openWithOne(t, io);
  for (broken of ["open", "truncate", "write", "sync", "rename"])
    await assert.rejects(desk.hold(id, ORDER), Unavailable);
  const taken = await desk.take(id);
  assert.ok(taken.kind === "taken");
  broken = "remove";
  await assert.rejects(taken.remove(), Unavailable);
  taken.putBack();
  broken = "";
  assert.equal(await isLeasable(spool), true);
});

test("a damaged entry is set aside by whatever order meets it", async (t) => {
  for (const order of ["hold", "take", "read"] as const) {
    const { folder, spool, id, desk } = await openWithOne(t);
    const path = join(folder, "due", id);
    const bytes = readFileSync(path);
    bytes[10] = (bytes[10] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    if (order === "read") assert.equal(await desk.read(id), null);
    else assert.equal(await kind(desk[order](id, ORDER)), "corrupt", order);
    assert.deepEqual(readdirSync(join(folder, "corrupt")), [id]);
    assert.equal(spool.stats().corrupt, 1);
  }
});

test("ids are found in any case, and a transaction by all its entries", async (t) => {
  const { spool, id, desk } = await openWithOne(t);
  const item = toSpoolItem(clock, ["c@y"], { transactionId: id.split("-")[0] as never });
  const other = await spool.add(item, toBytesSource(TEXT));
  assert.deepEqual(desk.find(` ${id.toUpperCase()} `), [id]);
  assert.deepEqual([...desk.find(id.split("-")[0]!.toLowerCase())].sort(), [id, other.id].sort());
  for (const text of ["", "-", "../../etc/passwd", `${id}0`, "x-y"])
    assert.deepEqual(desk.find(text), []);
});
