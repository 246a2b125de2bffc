import assert from "node:assert/strict";
import { test } from "node:test";
import { Unavailable } from "../../src/base/errors.ts";
import { createSilentLog } from "../../src/base/log.ts";
import { createDiskSpool } from "../../src/spool/disk-spool.ts";
import { READ_AGAIN_MS } from "../../src/spool/spool-slot.ts";
import { toBytesSource } from "../support/bytes-source.ts";
import { createFaultyIo, systemError } from "../support/faulty-spool-io.ts";
import { clock, filesIn, folderFor, leaseOne, openSpool, TEXT } from "../support/spool-folder.ts";
import { toSpoolItem } from "../support/spool-item.ts";

test("an add that fails anywhere says so and leaves nothing behind", async (t) => {
  for (const operation of ["create", "write", "sync", "rename", "syncFolder"]) {
    for (const code of ["ENOSPC", "EIO", "EROFS", "EMFILE"]) {
      const folder = folderFor(t);
      let armed = false;
      const io = createFaultyIo((name) => {
        if (armed && name === operation) throw systemError(code);
      });
      const spool = await openSpool(folder, io);
      armed = true;
      const add = spool.add(toSpoolItem(clock, ["a@x"]), toBytesSource(TEXT));
      await assert.rejects(add, (error) => error instanceof Unavailable);
      armed = false;
      assert.deepEqual(filesIn(folder), { incoming: 0, due: 0, active: 0, corrupt: 0 }, operation);
      assert.deepEqual(await spool.leaseDue(clock.now(), 5), []);
      await spool.add(toSpoolItem(clock, ["b@x"]), toBytesSource(TEXT));
      assert.equal(spool.stats().due, 1);
    }
  }
});

test("a source that fails or lies about its size leaves nothing behind", async (t) => {
  const folder = folderFor(t);
  const spool = await openSpool(folder);
  const item = toSpoolItem(clock, ["a@x"]);
  const failing = {
    size: 10,
    async *read(): AsyncGenerator<Buffer> {
      yield Buffer.from("half");
      throw new Unavailable("temporary files", "EIO");
    },
  };
  await assert.rejects(spool.add(item, failing), Unavailable);
  await assert.rejects(spool.add(item, { ...toBytesSource(TEXT), size: 3 }), Unavailable);
  assert.deepEqual(filesIn(folder), { incoming: 0, due: 0, active: 0, corrupt: 0 });
});

test("what the disk has no room for is not promised, and leaves nothing behind", async (t) => {
  const folder = folderFor(t);
  const asked: number[] = [];
  let isFull = true;
  const hasSpace = async (bytes: number) => {
    asked.push(bytes);
    return !isFull;
  };
  const spool = createDiskSpool({ folder, clock, log: createSilentLog(), hasSpace });
  await spool.recover();
  for (const add of [spool.add, spool.addLeased])
    await assert.rejects(
      add(toSpoolItem(clock, ["a@x"]), toBytesSource(TEXT)),
      (error) => error instanceof Unavailable && error.dependency === "spool",
    );
  assert.deepEqual(asked, [TEXT.length, TEXT.length]);
  assert.deepEqual(filesIn(folder), { incoming: 0, due: 0, active: 0, corrupt: 0 });
  isFull = false;
  await spool.add(toSpoolItem(clock, ["a@x"]), toBytesSource(TEXT));
  assert.equal(spool.size(), 1);
});

test("a lease that cannot be ended stays held and can be ended later", async (t) => {
  const folder = folderFor(t);
  let broken = "";
  const io = createFaultyIo((name) => {
    if (name === broken) throw systemError("ENOSPC");
  });
  const spool = await openSpool(folder, io);
  await spool.add(toSpoolItem(clock, ["a@x", "b@x"]), toBytesSource(TEXT));
  const lease = await leaseOne(spool);
  const left = { recipients: lease.item.envelope.recipients.slice(1), dueAt: 1, reason: "r" };
  for (broken of ["open", "truncate", "write", "sync", "rename"]) {
    await assert.rejects(lease.retry(left), Unavailable);
    assert.equal(spool.stats().active, 1);
  }
  broken = "remove";
  await assert.rejects(lease.remove(), Unavailable);
  broken = "";
  await lease.retry(left);
  const again = await leaseOne(await openSpool(folder));
  assert.deepEqual(again.item.envelope.recipients, left.recipients);
  assert.equal(again.item.attempts, 1);
});

test("an entry that cannot be read just now does not stand in front of the others", async (t) => {
  let failures = 1;
  const io = createFaultyIo((name) => {
    if (name === "open" && failures-- > 0) throw systemError("EIO");
  });
  const spool = await openSpool(folderFor(t), io);
  await spool.add(toSpoolItem(clock, ["a@x"], { dueAt: 1 }), toBytesSource(TEXT));
  await spool.add(toSpoolItem(clock, ["b@x"], { dueAt: 2 }), toBytesSource(TEXT));
  await assert.rejects(spool.leaseDue(clock.now(), 5), Unavailable);
  const next = await spool.leaseDue(clock.now(), 5);
  assert.deepEqual(
    next.map((lease) => lease.item.envelope.recipients[0]?.address.spoken),
    ["b@x"],
  );
  assert.equal((await spool.leaseDue(clock.now() + READ_AGAIN_MS, 5)).length, 1);
});
