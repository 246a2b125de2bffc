import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Unavailable } from "../../src/base/errors.ts";
import { createSilentLog } from "../../src/base/log.ts";
import { createDiskSpool } from "../../src/spool/disk-spool.ts";
import { createRemoteSpool, type RemoteSpoolOptions } from "../../src/spool/remote-spool.ts";
import type { Spool } from "../../src/spool/spool.ts";
import { createSpoolOwner } from "../../src/spool/spool-owner.ts";
import { afterwards } from "../support/afterwards.ts";
import { readAll, toBytesSource } from "../support/bytes-source.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { createProcessPair } from "../support/process-pair.ts";
import { toSpoolItem } from "../support/spool-item.ts";

const clock = createFakeClock();
const log = createSilentLog();
const TEXT = Buffer.from("Subject: x\r\n\r\nbody\r\n");

/** An owner with its spool, and the spool as another process sees it. */
async function openPair(t: TestContext, { hasSpace }: Pick<RemoteSpoolOptions, "hasSpace"> = {}) {
  const from = "gateway-1-42";
  const folder = mkdtempSync(join(tmpdir(), "postern-remote-spool-"));
  afterwards(t, () => rmSync(folder, { recursive: true, force: true }));
  const spool = createDiskSpool({ folder, clock, log });
  await spool.recover();
  let woken = 0;
  const owner = createSpoolOwner({ folder, spool, clock, log, wake: () => void woken++ });
  const { left, cut } = createProcessPair(clock, { left: {}, right: owner.operations });
  const remote = createRemoteSpool({ folder, from, owner: left, ...(hasSpace && { hasSpace }) });
  const files = () =>
    ["incoming", "due", "active"].map((state) => readdirSync(join(folder, state)).length);
  return { folder, spool, owner, remote, cut, files, woken: () => woken };
}

test("what another process adds is due at the owner, who is woken", async (t) => {
  const { spool, remote, files, woken } = await openPair(t);
  const item = await remote.add(toSpoolItem(clock, ["bob@example.org"]), toBytesSource(TEXT));
  assert.deepEqual(files(), [0, 1, 0]);
  assert.equal(woken(), 1);
  const [lease] = await spool.leaseDue(clock.now(), 1);
  assert.equal(lease?.item.id, item.id);
  assert.deepEqual(await readAll(lease!.source), TEXT);
});

test("a lease is held by the process that asked for it, and ended by it", async (t) => {
  const { spool, remote, files } = await openPair(t);
  const item = toSpoolItem(clock, ["bob@example.org", "alice@example.org"]);
  const lease = await remote.addLeased(item, toBytesSource(TEXT));
  assert.deepEqual(files(), [0, 0, 1]);
  assert.deepEqual(await spool.leaseDue(clock.now(), 1), []);
  assert.deepEqual(await readAll(lease.source), TEXT);
  const recipients = lease.item.envelope.recipients.slice(1);
  await lease.retry({ recipients, dueAt: clock.now(), reason: "later", delayTold: true });
  const [again] = await spool.leaseDue(clock.now(), 1);
  assert.equal(again?.item.delayTold, true);
  assert.deepEqual(
    again?.item.envelope.recipients.map(({ address }) => address.spoken),
    ["alice@example.org"],
  );
  const other = await remote.addLeased(item, toBytesSource(TEXT));
  await other.remove();
  assert.deepEqual(files(), [0, 0, 1]);
  // It was ended before: trying again cannot help, so it is not Unavailable.
  await assert.rejects(other.remove(), (error) => !(error instanceof Unavailable));
});

test("a lease is ended by no other process than the one that holds it", async (t) => {
  const { remote, owner, files } = await openPair(t);
  const item = toSpoolItem(clock, ["bob@example.org"]);
  const lease = await remote.addLeased(item, toBytesSource(TEXT));
  const { id, envelope } = lease.item;
  const { recipients } = envelope;
  const retry = { end: "retry", recipients, dueAt: clock.now(), reason: "not mine" } as const;
  for (const end of [{ end: "remove" } as const, retry])
    await assert.rejects(owner.operations.endLease({ from: "gateway-2-43", id, ...end }), /ended/);
  assert.deepEqual(files(), [0, 0, 1]);
  await lease.remove();
  assert.deepEqual(files(), [0, 0, 0]);
});

test("when a process dies its leases are due again and its drafts go, those of others stay", async (t) => {
  const { folder, spool, owner, remote, files } = await openPair(t);
  await remote.addLeased(toSpoolItem(clock, ["bob@example.org"]), toBytesSource(TEXT));
  for (const name of ["x.gateway-1-42", "y.gateway-2-43"])
    writeFileSync(join(folder, "incoming", name), "half");
  await owner.gone("gateway-1-42");
  assert.deepEqual(files(), [1, 1, 0]);
  assert.deepEqual(readdirSync(join(folder, "incoming")), ["y.gateway-2-43"]);
  const [lease] = await spool.leaseDue(clock.now(), 1);
  assert.match(lease?.item.reason ?? "", /process .* died/);
  assert.equal(lease?.item.crashes, 1);
});

test("when a process dies what others deliver stays with them", async (t) => {
  const { folder, spool, owner, remote, files } = await openPair(t);
  const { left } = createProcessPair(clock, { left: {}, right: owner.operations });
  const other = createRemoteSpool({ folder, from: "gateway-2-43", owner: left });
  await remote.addLeased(toSpoolItem(clock, ["bob@example.org"]), toBytesSource(TEXT));
  const theirs = await other.addLeased(toSpoolItem(clock, ["eve@y.test"]), toBytesSource(TEXT));
  await owner.gone("gateway-1-42");
  assert.deepEqual(files(), [0, 1, 1]);
  const leases = await spool.leaseDue(clock.now(), 9);
  assert.deepEqual(
    leases.map(({ item }) => item.envelope.recipients[0]?.address.spoken),
    ["bob@example.org"],
  );
  await theirs.remove();
  assert.deepEqual(readdirSync(join(folder, "active")), [leases[0]?.item.id]);
});

test("what a process asked for last before it died is due again too", async (t) => {
  const { folder, spool } = await openPair(t);
  const from = "gateway-1-42";
  const isAdopted = Promise.withResolvers<void>();
  const mayAnswer = Promise.withResolvers<void>();
  const adopt: Spool["adopt"] = async (...input) => {
    const lease = await spool.adopt(...input);
    isAdopted.resolve();
    await mayAnswer.promise;
    return lease;
  };
  const owner = createSpoolOwner({ folder, spool: { adopt }, clock, log, wake() {} });
  const { left } = createProcessPair(clock, { left: {}, right: owner.operations });
  const remote = createRemoteSpool({ folder, from, owner: left });
  const adding = remote.addLeased(toSpoolItem(clock, ["bob@example.org"]), toBytesSource(TEXT));
  await isAdopted.promise;
  const gone = owner.gone(from);
  mayAnswer.resolve();
  await Promise.all([adding, gone]);
  const [lease] = await spool.leaseDue(clock.now(), 1);
  assert.equal(lease?.item.crashes, 1);
});

test("what three processes in a row died with is held", async (t) => {
  const { folder, spool, owner, remote } = await openPair(t);
  await remote.addLeased(toSpoolItem(clock, ["bob@example.org"]), toBytesSource(TEXT));
  await owner.gone("gateway-1-42");
  for (let i = 0; i < 2; i++) {
    const [lease] = await spool.leaseDue(clock.now(), 1);
    const { recipients } = lease!.item.envelope;
    const left = { recipients, dueAt: clock.now(), reason: "it died", hasCrashed: true };
    await lease!.retry(left);
  }
  assert.deepEqual(await spool.leaseDue(clock.now(), 1), []);
  assert.equal(readdirSync(join(folder, "held")).length, 1);
});

test("without the owner nothing is promised and no draft is left", async (t) => {
  const { remote, cut, files } = await openPair(t);
  cut();
  const item = toSpoolItem(clock, ["bob@example.org"]);
  await assert.rejects(
    remote.add(item, toBytesSource(TEXT)),
    (error) => error instanceof Unavailable && error.dependency === "spool",
  );
  assert.deepEqual(files(), [0, 0, 0]);
});

test("what the disk has no room for is not promised, and no draft is left", async (t) => {
  const asked: number[] = [];
  const hasSpace = async (bytes: number) => asked.push(bytes) === 0;
  const { remote, files } = await openPair(t, { hasSpace });
  const item = toSpoolItem(clock, ["bob@example.org"]);
  for (const add of [remote.add, remote.addLeased])
    await assert.rejects(
      add(item, toBytesSource(TEXT)),
      (error) => error instanceof Unavailable && error.dependency === "spool",
    );
  assert.deepEqual(asked, [TEXT.length, TEXT.length]);
  assert.deepEqual(files(), [0, 0, 0]);
});

test("a promise whose answer was lost may be asked for again", async (t) => {
  const { folder, remote, spool, owner } = await openPair(t);
  const { id } = await remote.add(toSpoolItem(clock, ["b@example.org"]), toBytesSource(TEXT));
  const again = { from: "gateway-1-42", draft: `${id}.gateway-1-42`, id, leased: false };
  await owner.operations.adopt(again);
  assert.equal(spool.list().length, 1);
  // A successor of the owner that knows the entry from the disk.
  const next = createDiskSpool({ folder, clock, log });
  await next.recover(true);
  assert.equal(await next.adopt(again.draft, id, false), null);
  assert.equal(next.list().length, 1);
});

test("an owner that starts beside others leaves their drafts alone", async (t) => {
  const { folder } = await openPair(t);
  writeFileSync(join(folder, "incoming", "x.gateway-1-42"), "being written");
  await createDiskSpool({ folder, clock, log }).recover(true);
  assert.equal(readdirSync(join(folder, "incoming")).length, 1);
  await createDiskSpool({ folder, clock, log }).recover();
  assert.equal(readdirSync(join(folder, "incoming")).length, 0);
});
