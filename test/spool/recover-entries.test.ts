import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createLog, createSilentLog } from "../../src/base/log.ts";
import { createDiskSpool } from "../../src/spool/disk-spool.ts";
import type { HoldOrder, Spool, SpoolItem } from "../../src/spool/spool.ts";
import { createSpoolIo, type SpoolIo } from "../../src/spool/spool-io.ts";
import { readAll, toBytesSource } from "../support/bytes-source.ts";
import { createFaultyIo, systemError } from "../support/faulty-spool-io.ts";
import { clock, folderFor, leaseOne } from "../support/spool-folder.ts";
import { toSpoolItem } from "../support/spool-item.ts";
import { waitUntil } from "../support/wait-until.ts";

const TEXT = Buffer.from("Subject: x\r\n\r\nbody\r\n");

interface OpenOptions {
  readonly io?: SpoolIo;
  readonly onHeld?: (item: SpoolItem, order: HoldOrder) => void;
}

/** A new process; the one before it was killed unless its spool was closed. */
async function openSpool(folder: string, options: OpenOptions = {}): Promise<Spool> {
  const spool = createDiskSpool({ folder, clock, log: createSilentLog(), ...options });
  await spool.recover();
  return spool;
}

const filesIn = (folder: string, state: string) => readdirSync(join(folder, state));

/** A spool with one entry whose process died so often in a row while delivering it. */
async function crashWith(folder: string, times: number): Promise<void> {
  const spool = await openSpool(folder);
  if (spool.list().length === 0)
    await spool.add(toSpoolItem(clock, ["a@x", "b@x"]), toBytesSource(TEXT));
  await leaseOne(spool);
  for (let i = 1; i < times; i++) await leaseOne(await openSpool(folder));
}

test("a recovery reads no entry, and the first is leased while the others are unknown", async (t) => {
  const folder = folderFor(t);
  const first = await openSpool(folder);
  for (let i = 0; i < 40; i++) await first.add(toSpoolItem(clock, [`${i}@x`]), toBytesSource(TEXT));
  let reads = 0;
  const readsAtMove: number[] = [];
  const io = createFaultyIo((name) => {
    if (name === "peek") reads += 1;
    if (name === "rename") readsAtMove.push(reads);
  });
  const spool = createDiskSpool({ folder, clock, log: createSilentLog(), io });
  const report = await spool.recover();
  assert.deepEqual([report.due, reads], [40, 0]);
  assert.equal(spool.list().length, 40);
  assert.equal(spool.list()[0]?.known, null);
  assert.equal((await spool.leaseDue(clock.now(), 1)).length, 1);
  assert.ok((readsAtMove[0] ?? 40) < 9, `${readsAtMove[0]} were read before the first lease`);
  await spool.desk.allRead();
  assert.equal(spool.stats().unread, 0);
  assert.equal(spool.stats().bytes, 40 * TEXT.length);
  assert.ok(spool.list().every(({ known }) => known?.domains[0] === "x"));
});

test("damage is found when an entry is met, beside others that go on", async (t) => {
  const folder = folderFor(t);
  const first = await openSpool(folder);
  const ids: string[] = [];
  for (const to of ["a@x", "b@x", "c@x"])
    ids.push((await first.add(toSpoolItem(clock, [to]), toBytesSource(TEXT))).id);
  writeFileSync(join(folder, "due", ids[1]!), "rubbish\n");
  const spool = await openSpool(folder);
  await spool.desk.allRead();
  assert.deepEqual(filesIn(folder, "corrupt"), [ids[1]]);
  assert.equal(spool.stats().corrupt, 1);
  assert.equal((await spool.leaseDue(clock.now(), 9)).length, 2);
});

test("an entry that its process died with three times is held, and told", async (t) => {
  const folder = folderFor(t);
  await crashWith(folder, 2);
  const told: string[] = [];
  const before = await openSpool(folder, { onHeld: () => told.push("too early") });
  const suspect = await leaseOne(before);
  assert.deepEqual([suspect.item.crashes, told], [2, []]);
  const spool = await openSpool(folder, {
    onHeld: (_item, { by, reason }) => told.push(by, reason),
  });
  assert.deepEqual(told, ["postern", "its process died 3 times while delivering it"]);
  assert.deepEqual(await spool.leaseDue(clock.now(), 9), []);
  assert.deepEqual([spool.stats().held, spool.stats().due], [1, 0]);
  const again = await openSpool(folder, { onHeld: () => told.push("twice") });
  assert.deepEqual(await again.leaseDue(clock.now(), 9), []);
  assert.equal(told.length, 2);
  const [id = ""] = filesIn(folder, "held");
  const story = await again.desk.read(id);
  assert.deepEqual([story?.item.crashes, story?.item.attempts], [3, 3]);
});

test("what was held for its crashes is tried once more when an operator says so", async (t) => {
  const folder = folderFor(t);
  await crashWith(folder, 3);
  const spool = await openSpool(folder);
  const [id = ""] = filesIn(folder, "held");
  assert.equal((await spool.desk.retry(id, { at: clock.now() })).kind, "done");
  assert.deepEqual(await readAll((await leaseOne(spool)).source), TEXT);
  const next = await openSpool(folder);
  assert.deepEqual(await next.leaseDue(clock.now(), 9), [], "the next crash holds it again");
  assert.equal(next.stats().held, 1);
});

test("an attempt that ends by itself clears the suspicion", async (t) => {
  const folder = folderFor(t);
  await crashWith(folder, 2);
  const spool = await openSpool(folder);
  const lease = await leaseOne(spool);
  const { recipients } = lease.item.envelope;
  await lease.retry({ recipients, dueAt: clock.now(), reason: "450" });
  await crashWith(folder, 1);
  const next = await openSpool(folder);
  assert.equal((await leaseOne(next)).item.crashes, 1);
});

test("a stop is no crash, whatever is still being delivered", async (t) => {
  const folder = folderFor(t);
  for (let i = 0; i < 5; i++) {
    const spool = await openSpool(folder);
    if (i === 0) await spool.add(toSpoolItem(clock, ["a@x"]), toBytesSource(TEXT));
    const lease = await leaseOne(spool);
    assert.equal(lease.item.crashes, undefined);
    await spool.close();
    await assert.rejects(lease.remove(), /closed/);
  }
});

test("a crash during the recovery is not the fault of what is recovered", async (t) => {
  const folder = folderFor(t);
  await crashWith(folder, 1);
  for (let i = 0; i < 5; i++) {
    const io = createFaultyIo((name) => {
      if (name === "syncFolder") throw systemError("EIO");
    });
    await assert.rejects(openSpool(folder, { io }));
  }
  const spool = await openSpool(folder);
  assert.ok(((await leaseOne(spool)).item.crashes ?? 0) <= 1);
});

test("a full disk does not keep the spool from starting", async (t) => {
  const folder = folderFor(t);
  await crashWith(folder, 1);
  const io = createFaultyIo((name) => {
    if (name === "write") throw systemError("ENOSPC");
  });
  const spool = await openSpool(folder, { io });
  assert.equal(spool.list()[0]?.known?.crashes, 1, "it is suspected all the same");
  const lease = await leaseOne(spool);
  assert.deepEqual(await readAll(lease.source), TEXT);
});

test("a full disk lets no start deliver what was ordered to be held", async (t) => {
  const folder = folderFor(t);
  const first = await openSpool(folder);
  const { id } = await first.add(toSpoolItem(clock, ["a@x"]), toBytesSource(TEXT));
  await leaseOne(first);
  await first.desk.hold(id, { by: "admin", reason: "", at: clock.now() });
  const io = createFaultyIo((name) => {
    if (name === "write") throw systemError("ENOSPC");
  });
  const spool = await openSpool(folder, { io });
  assert.deepEqual(await spool.leaseDue(clock.now(), 1), []);
  assert.deepEqual(filesIn(folder, "held"), [id]);
});

test("an entry under another's name, or of a version to come, is set aside", async (t) => {
  const folder = folderFor(t);
  const first = await openSpool(folder);
  const { id } = await first.add(toSpoolItem(clock, ["a@x"]), toBytesSource(TEXT));
  await first.close();
  const home = join(folder, "due", id);
  const other = `${id.slice(0, -1)}${id.endsWith("0") ? "1" : "0"}`;
  writeFileSync(join(folder, "due", other), readFileSync(home));
  const [header = "", ...rest] = readFileSync(home, "latin1").split("\n");
  const json = header.slice(65).replace('{"v":1,', '{"v":2,');
  writeFileSync(home, [`${hash("sha256", json)} ${json}`, ...rest].join("\n"), "latin1");
  const spool = await openSpool(folder);
  assert.deepEqual(await spool.leaseDue(clock.now(), 9), []);
  assert.deepEqual([...filesIn(folder, "corrupt")].sort(), [id, other].sort());
});

test("an entry that is being read is waited for, and not passed over until the next look", async (t) => {
  const folder = folderFor(t);
  await (await openSpool(folder)).add(toSpoolItem(clock, ["a@x"]), toBytesSource(TEXT));
  const begun = Promise.withResolvers<void>();
  const disk = Promise.withResolvers<void>();
  const real = createSpoolIo();
  const io: SpoolIo = {
    ...real,
    async peek(...args) {
      begun.resolve();
      await disk.promise;
      return real.peek(...args);
    },
  };
  const spool = await openSpool(folder, { io });
  await begun.promise;
  assert.equal(spool.nextDueAt(), 0);
  const leasing = spool.leaseDue(clock.now(), 9);
  const reading = spool.desk.allRead();
  disk.resolve();
  assert.equal((await leasing).length, 1);
  await reading;
});

test("an entry that cannot be read while all are is read when it is due again", async (t) => {
  const folder = folderFor(t);
  await (await openSpool(folder)).add(toSpoolItem(clock, ["a@x"]), toBytesSource(TEXT));
  let failures = 1;
  const io = createFaultyIo((name) => {
    if (name === "peek" && failures-- > 0) throw systemError("EIO");
  });
  const lines: string[] = [];
  const log = createLog({ level: "warn", format: "json", write: (line) => lines.push(line) });
  const spool = createDiskSpool({ folder, clock, log, io });
  await spool.recover();
  await waitUntil(
    () => "nothing was read",
    () => spool.stats().unread === 0 || undefined,
  );
  assert.deepEqual(await spool.leaseDue(clock.now(), 9), []);
  assert.match(lines.join(), /spool-entry-not-read/);
  const later = clock.now() + 60_000;
  const [lease] = await spool.leaseDue(later, 9);
  assert.deepEqual(await readAll(lease!.source), TEXT);
});

test("a note after an attempt tells no more than there is to tell", async (t) => {
  const folder = folderFor(t);
  const spool = await openSpool(folder);
  const { id } = await spool.add(toSpoolItem(clock, ["a@x", "b@x"]), toBytesSource(TEXT));
  const before = readFileSync(join(folder, "due", id));
  const lease = await leaseOne(spool);
  const { recipients } = lease.item.envelope;
  await lease.retry({ recipients: recipients.slice(1), dueAt: clock.now(), reason: "later" });
  const after = readFileSync(join(folder, "due", id));
  assert.deepEqual(after.subarray(0, before.length), before);
  const record = JSON.parse(after.subarray(before.length + 65).toString());
  assert.deepEqual(record, {
    recipients: [1],
    dueAt: clock.now(),
    attempts: 1,
    reason: "later",
    at: clock.now(),
  });
});
