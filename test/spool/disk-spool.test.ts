import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createSilentLog } from "../../src/base/log.ts";
import { createDiskSpool } from "../../src/spool/disk-spool.ts";
import { toRecord } from "../../src/spool/entry-format.ts";
import { readAll, toBytesSource } from "../support/bytes-source.ts";
import {
  clock,
  filesIn,
  folderFor,
  leaseOne,
  openSpool,
  TEXT,
  theFile,
} from "../support/spool-folder.ts";
import { toSpoolItem } from "../support/spool-item.ts";

test("an entry comes back as it was given, also from a new process", async (t) => {
  const folder = folderFor(t);
  const large = Buffer.concat([TEXT, Buffer.alloc(300_000, "y\r\n")]);
  for (const bytes of [TEXT, large, Buffer.alloc(0)]) {
    const item = toSpoolItem(clock, ["a@x", '"b \\" c"@x', "käthe@x"]);
    const added = await (await openSpool(folder)).add(item, toBytesSource(bytes, 1000));
    assert.deepEqual(added, { ...item, id: added.id, attempts: 0, bytes: bytes.length });
    const lease = await leaseOne(await openSpool(folder));
    assert.deepEqual(lease.item, added);
    assert.deepEqual(await readAll(lease.source), bytes);
    assert.deepEqual(await readAll(lease.source), bytes, "any number of times");
    await lease.remove();
    assert.deepEqual(filesIn(folder), { incoming: 0, due: 0, active: 0, corrupt: 0 });
  }
});

test("only the owner can read the spool", async (t) => {
  const folder = folderFor(t);
  const spool = await openSpool(folder);
  await spool.add(toSpoolItem(clock, ["a@x"]), toBytesSource(TEXT));
  assert.equal(statSync(join(folder, "due")).mode & 0o777, 0o700);
  assert.equal(statSync(theFile(folder, "due")).mode & 0o777, 0o600);
});

test("entries are leased once, the longest due first, and not before their time", async (t) => {
  const spool = await openSpool(folderFor(t));
  const now = clock.now();
  for (const [to, dueAt] of [
    ["late@x", now + 1000],
    ["b@x", now],
    ["a@x", now - 5],
  ] as const) {
    await spool.add(toSpoolItem(clock, [to], { dueAt }), toBytesSource(TEXT));
  }
  const first = await spool.leaseDue(now, 10);
  const names = first.map((lease) => lease.item.envelope.recipients[0]?.address.spoken);
  assert.deepEqual(names, ["a@x", "b@x"]);
  assert.deepEqual(await spool.leaseDue(now, 10), []);
  assert.equal(spool.nextDueAt(), now + 1000);
  const { due, active, bytes } = spool.stats();
  assert.equal(spool.size(), due + active);
  assert.deepEqual({ due, active, bytes }, { due: 1, active: 2, bytes: 3 * TEXT.length });
});

test("what an attempt leaves is durable, and the message is not written again", async (t) => {
  const folder = folderFor(t);
  const spool = await openSpool(folder);
  await spool.add(toSpoolItem(clock, ["a@x", "b@x", "c@x"]), toBytesSource(TEXT));
  const before = readFileSync(theFile(folder, "due"));
  const lease = await leaseOne(spool);
  const [, b, c] = lease.item.envelope.recipients;
  assert.ok(b && c);
  await lease.retry({ recipients: [b, c], dueAt: clock.now() + 60_000, reason: "busy" });
  assert.equal(spool.nextDueAt(), clock.now() + 60_000);
  const after = readFileSync(theFile(folder, "due"));
  assert.deepEqual(after.subarray(0, before.length), before);
  const again = await leaseOne(await openSpool(folder));
  assert.deepEqual(again.item.envelope.recipients, [b, c]);
  assert.deepEqual([again.item.attempts, again.item.reason], [1, "busy"]);
  await again.retry({ recipients: [c], dueAt: clock.now(), reason: "busy still" });
  const third = await leaseOne(await openSpool(folder));
  assert.deepEqual(third.item.envelope.recipients, [c]);
  assert.equal(third.item.attempts, 2);
  assert.deepEqual(await readAll(third.source), TEXT);
});

test("a hub that is back hastens what could not reach it, and nothing that a hub put off", async (t) => {
  const spool = await openSpool(folderFor(t));
  for (const to of ["unreached@x", "put-off@x", "unreached@y"])
    await spool.add(toSpoolItem(clock, [to]), toBytesSource(TEXT));
  const dueAt = clock.now() + 60_000;
  for (const { item, retry } of await spool.leaseDue(clock.now(), 3)) {
    const { recipients } = item.envelope;
    const isUnreached = recipients[0]?.address.localPart === "unreached";
    await retry({ recipients, dueAt, reason: "made by a test", isUnreached });
  }
  assert.equal(
    spool.hasten((domain) => domain === "x", clock.now()),
    1,
  );
  const leases = await spool.leaseDue(clock.now(), 9);
  assert.deepEqual(
    leases.map(({ item }) => item.envelope.recipients[0]?.address.spoken),
    ["unreached@x"],
  );
});

test("a lease ends once", async (t) => {
  const spool = await openSpool(folderFor(t));
  const lease = await spool.addLeased(toSpoolItem(clock, ["a@x"]), toBytesSource(TEXT));
  assert.deepEqual(await spool.leaseDue(clock.now(), 5), []);
  await lease.remove();
  await assert.rejects(lease.remove(), /has ended/);
  const left = { recipients: lease.item.envelope.recipients, dueAt: 0, reason: "" };
  await assert.rejects(lease.retry(left), /has ended/);
  assert.deepEqual(spool.list(), []);
});

test("after a crash drafts are gone, what was leased is due at once, strangers are set aside", async (t) => {
  const folder = folderFor(t);
  const spool = await openSpool(folder);
  const dueAt = clock.now() + 3_600_000;
  await spool.add(toSpoolItem(clock, ["later@x"], { dueAt }), toBytesSource(TEXT));
  await spool.addLeased(toSpoolItem(clock, ["leased@x"]), toBytesSource(TEXT));
  writeFileSync(join(folder, "incoming", "half"), "x");
  writeFileSync(join(folder, "due", ".nfs0001"), "x");
  writeFileSync(join(folder, "active", "0123456789ABCDEFGH-00000000"), "x");
  const again = createDiskSpool({ folder, clock, log: createSilentLog() });
  const report = await again.recover();
  assert.equal(report.due, 2);
  assert.equal(report.drafts, 1);
  assert.deepEqual(report.corrupt, [".nfs0001", "0123456789ABCDEFGH-00000000"]);
  assert.equal((await again.leaseDue(clock.now(), 9)).length, 2);
  assert.equal(again.stats().corrupt, 2);
  assert.deepEqual(filesIn(folder), { incoming: 0, due: 0, active: 2, corrupt: 2 });
});

test("no single flipped bit and no cut lets a damaged message be delivered", async (t) => {
  const folder = folderFor(t);
  const spool = await openSpool(folder);
  await spool.add(toSpoolItem(clock, ["a@x", "b@x"]), toBytesSource(TEXT));
  const lease = await leaseOne(spool);
  await lease.retry({ recipients: lease.item.envelope.recipients, dueAt: 1, reason: "r" });
  const path = theFile(folder, "due");
  const whole = readFileSync(path);
  const damages = [];
  for (let at = 0; at < whole.length; at++) {
    const flipped = Buffer.from(whole);
    flipped[at] = (flipped[at] ?? 0) ^ 1;
    damages.push(flipped);
    if (at % 3 === 0) damages.push(whole.subarray(0, at));
  }
  for (const damaged of damages) {
    for (const state of ["due", "corrupt"]) {
      for (const name of readdirSync(join(folder, state))) rmSync(join(folder, state, name));
    }
    writeFileSync(path, damaged);
    const again = await openSpool(folder);
    for (const found of await again.leaseDue(clock.now(), 9)) {
      assert.deepEqual(await readAll(found.source), TEXT);
      assert.equal(found.item.envelope.recipients.length, 2);
      await found.remove();
    }
  }
});

test("damage that comes after the start is found before the delivery", async (t) => {
  const folder = folderFor(t);
  const spool = await openSpool(folder);
  await spool.add(toSpoolItem(clock, ["a@x"]), toBytesSource(TEXT));
  await spool.add(toSpoolItem(clock, ["b@x"]), toBytesSource(TEXT));
  const path = theFile(folder, "due");
  const bytes = readFileSync(path);
  bytes[bytes.lastIndexOf("body")] = 0x42;
  writeFileSync(path, bytes);
  assert.equal((await spool.leaseDue(clock.now(), 9)).length, 1);
  assert.deepEqual(filesIn(folder), { incoming: 0, due: 0, active: 1, corrupt: 1 });
  assert.equal(spool.stats().corrupt, 1);
});

test("a record that a crash cut short does not count, and the next one replaces it", async (t) => {
  const folder = folderFor(t);
  const spool = await openSpool(folder);
  await spool.add(toSpoolItem(clock, ["a@x", "b@x"]), toBytesSource(TEXT));
  const path = theFile(folder, "due");
  writeFileSync(path, `${"f".repeat(64)} {"recipients":[1],"du`, { flag: "a" });
  const lease = await leaseOne(await openSpool(folder));
  assert.equal(lease.item.envelope.recipients.length, 2);
  await lease.retry({ recipients: lease.item.envelope.recipients, dueAt: 1, reason: "new" });
  const again = await leaseOne(await openSpool(folder));
  assert.deepEqual([again.item.reason, again.item.attempts], ["new", 1]);
});

test("an entry that was retried ten thousand times is read like any other", async (t) => {
  const folder = folderFor(t);
  const spool = await openSpool(folder);
  await spool.add(toSpoolItem(clock, ["a@x", "b@x"]), toBytesSource(TEXT));
  const path = theFile(folder, "due");
  const records = Array.from({ length: 10_000 }, (_, attempts) =>
    toRecord({ recipients: [1], dueAt: 1, attempts, reason: "r".repeat(attempts % 200) }),
  );
  writeFileSync(path, Buffer.concat(records), { flag: "a" });
  const lease = await leaseOne(await openSpool(folder));
  assert.equal(lease.item.attempts, 9999);
  await lease.retry({ recipients: lease.item.envelope.recipients, dueAt: 1, reason: "last" });
  const again = await leaseOne(await openSpool(folder));
  assert.deepEqual([again.item.attempts, again.item.reason], [10_000, "last"]);
  assert.deepEqual(await readAll(again.source), TEXT);
});

test("that the sender was told of a delay is durable and stays", async (t) => {
  const folder = folderFor(t);
  const spool = await openSpool(folder);
  await spool.add(toSpoolItem(clock, ["a@x.test"]), toBytesSource("Subject: x\r\n\r\n"));
  const left = { dueAt: clock.now(), reason: "later" };
  const first = await leaseOne(spool);
  assert.equal(first.item.delayTold, undefined);
  const { recipients } = first.item.envelope;
  await first.retry({ ...left, recipients, delayTold: true });
  const next = await openSpool(folder);
  await (await leaseOne(next)).retry({ ...left, recipients });
  assert.equal((await leaseOne(await openSpool(folder))).item.delayTold, true);
});

test("two recipients with one address are two", async (t) => {
  const spool = await openSpool(folderFor(t));
  await spool.add(toSpoolItem(clock, ["a@x", "a@x"]), toBytesSource(TEXT));
  const lease = await leaseOne(spool);
  await lease.retry({ recipients: lease.item.envelope.recipients, dueAt: 1, reason: "r" });
  const again = await leaseOne(spool);
  assert.equal(again.item.envelope.recipients.length, 2);
});
