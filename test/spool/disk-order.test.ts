import assert from "node:assert/strict";
import { basename, dirname } from "node:path";
import { type TestContext, test } from "node:test";
import { toBytesSource } from "../support/bytes-source.ts";
import { createFaultyIo } from "../support/faulty-spool-io.ts";
import { clock, folderFor, leaseOne, openSpool, TEXT } from "../support/spool-folder.ts";
import { toSpoolItem } from "../support/spool-item.ts";

// In which order the disk is touched before something is said to be done. What a power failure may undo
// shows in no other test: a kill loses nothing that was written.

/** They change nothing. */
const LOOKS = new Set(["open", "read", "peek"]);
const ORDER = { by: "admin", reason: "planned work", at: clock.now() };
const NOW = { at: clock.now() };

const item = () => toSpoolItem(clock, ["a@x"]);
const source = toBytesSource(TEXT);

/** A spool that notes what it does, each operation with its folder. */
async function openWatched(t: TestContext, folder = folderFor(t)) {
  const done: string[] = [];
  const io = createFaultyIo((name, path) => {
    if (LOOKS.has(name)) return;
    done.push(`${name} ${basename(name === "syncFolder" ? path : dirname(path))}`);
  });
  const spool = await openSpool(folder, io);
  const doneBy = async (work: () => Promise<unknown>): Promise<readonly string[]> => {
    done.length = 0;
    await work();
    return [...done];
  };
  return { folder, spool, done, doneBy };
}

const DRAFT = ["create incoming", "write incoming", "sync incoming"];
const noteIn = (state: string) => [`truncate ${state}`, `write ${state}`, `sync ${state}`];

test("a promise is the file on the disk, then its name", async (t) => {
  const { spool, doneBy } = await openWatched(t);
  assert.deepEqual(await doneBy(() => spool.add(item(), source)), [
    ...DRAFT,
    "rename due",
    "syncFolder due",
  ]);
  assert.deepEqual(await doneBy(() => spool.addLeased(item(), source)), [
    ...DRAFT,
    "rename active",
    "syncFolder active",
  ]);
});

test("what an attempt left is on the disk before the entry moves", async (t) => {
  const { spool, doneBy } = await openWatched(t);
  await spool.add(item(), source);
  const lease = await leaseOne(spool);
  const { recipients } = lease.item.envelope;
  const left = { recipients, dueAt: clock.now(), reason: "450" };
  assert.deepEqual(await doneBy(() => lease.retry(left)), [...noteIn("active"), "rename due"]);
  const again = await leaseOne(spool);
  assert.deepEqual(await doneBy(() => again.remove()), ["remove active", "syncFolder active"]);
});

test("an operator's order is on the disk before it is said to be carried out", async (t) => {
  const { spool, doneBy } = await openWatched(t);
  const { id } = await spool.add(item(), source);
  const folders = ["syncFolder due", "syncFolder held"];
  const hold = () => spool.desk.hold(id, ORDER);
  assert.deepEqual(await doneBy(hold), [...noteIn("due"), "rename held", ...folders]);
  const release = () => spool.desk.release(id, NOW);
  assert.deepEqual(await doneBy(release), [...noteIn("held"), "rename due", ...folders]);
  await leaseOne(spool);
  // What was leased may still stand in due/ on the disk.
  const moved = ["syncFolder due", "syncFolder active"];
  assert.deepEqual(await doneBy(hold), [...noteIn("active"), ...moved]);
});

test("what is dropped is gone from the disk before it is said to be", async (t) => {
  const { spool, doneBy } = await openWatched(t);
  const { id } = await spool.add(item(), source);
  const taken = await spool.desk.take(id);
  assert.ok(taken.kind === "taken");
  assert.deepEqual(await doneBy(taken.remove), ["remove due", "syncFolder due", "syncFolder held"]);
});

test("after a crash what was under way is due on the disk before the crash is noted", async (t) => {
  const { folder, spool } = await openWatched(t);
  await spool.add(item(), source);
  await leaseOne(spool);
  const { done } = await openWatched(t, folder);
  assert.deepEqual(done, [
    "rename due",
    "syncFolder due",
    "syncFolder active",
    "syncFolder held",
    ...noteIn("due"),
  ]);
});
