import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Unavailable } from "../../src/base/errors.ts";
import { createQueueCommands, type QueueCommandDeps } from "../../src/control/queue-commands.ts";
import { createFactBus, type Fact } from "../../src/pipeline/facts.ts";
import { readAll, toBytesSource } from "../support/bytes-source.ts";
import { createFaultyIo, systemError } from "../support/faulty-spool-io.ts";
import { clock, folderFor, leaseOne, openSpool, TEXT } from "../support/spool-folder.ts";
import { toSpoolItem } from "../support/spool-item.ts";

/** A queue with one entry, and an order to drop it. */
async function openQueue(t: TestContext, tellSender: QueueCommandDeps["tellSender"]) {
  const folder = folderFor(t);
  let canRemove = true;
  const io = createFaultyIo((name) => {
    if (name === "remove" && !canRemove) throw systemError("EROFS");
  });
  const spool = await openSpool(folder, io);
  const { id } = await spool.add(toSpoolItem(clock, ["a@x.test"]), toBytesSource(TEXT));
  const facts: Fact[] = [];
  const bus = createFactBus((error) => assert.fail(String(error)));
  bus.listen((fact) => facts.push(fact));
  const deps = { spool, tellSender, wake() {}, facts: bus, clock };
  const commands = new Map(createQueueCommands(deps));
  const drop = (bounce: boolean) =>
    Array.fromAsync(commands.get("queue.drop")!({ ids: [id], by: "admin", bounce }));
  const setCanRemove = (can: boolean) => {
    canRemove = can;
  };
  return { folder, spool, id, facts, drop, setCanRemove };
}

test("a dropped entry is on the disk until the sender is told, and nobody leases it meanwhile", async (t) => {
  let seen: unknown = null;
  const queue = await openQueue(t, async ({ source }) => {
    const leases = await queue.spool.leaseDue(clock.now(), 9);
    const isThere = existsSync(join(queue.folder, "due", queue.id));
    seen = { isThere, bytes: await readAll(source), leases };
    return "bounced";
  });
  const outcomes = await queue.drop(true);
  assert.deepEqual(seen, { isThere: true, bytes: TEXT, leases: [] });
  assert.deepEqual(outcomes, [{ id: queue.id, outcome: "bounced" }]);
  assert.deepEqual(readdirSync(join(queue.folder, "due")), []);
});

test("an entry whose sender cannot be told is not dropped, and delivered as before", async (t) => {
  const queue = await openQueue(t, async () => {
    throw new Unavailable("quarantine", "made by a test");
  });
  await assert.rejects(queue.drop(true), Unavailable);
  assert.deepEqual(queue.facts, []);
  const lease = await leaseOne(queue.spool);
  assert.equal(lease.item.id, queue.id);
});

test("an entry that cannot be removed is not said to be dropped, and may be dropped again", async (t) => {
  const queue = await openQueue(t, async () => "done");
  queue.setCanRemove(false);
  await assert.rejects(queue.drop(false), Unavailable);
  assert.deepEqual(queue.facts, []);
  queue.setCanRemove(true);
  assert.deepEqual(await queue.drop(false), [{ id: queue.id, outcome: "done" }]);
  assert.equal(queue.spool.size(), 0);
});
