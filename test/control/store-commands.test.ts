import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { createSilentLog } from "../../src/base/log.ts";
import type { ReleaseOrder, ReleaseOutcome } from "../../src/control/quarantine-commands.ts";
import { createStoreCommands } from "../../src/control/store-commands.ts";
import { createFactBus, type Fact } from "../../src/pipeline/facts.ts";
import type { Hold, Quarantine } from "../../src/quarantine/quarantine.ts";
import { createSqliteQuarantine } from "../../src/quarantine/sqlite-quarantine.ts";
import { createDiskSpool } from "../../src/spool/disk-spool.ts";
import type { Spool } from "../../src/spool/spool.ts";
import { createSqliteTracking } from "../../src/tracking/sqlite-tracking.ts";
import type { Tracking } from "../../src/tracking/tracking.ts";
import { toBytesSource } from "../support/bytes-source.ts";
import { testHold } from "../support/test-holds.ts";
import { testId, testRecord } from "../support/test-records.ts";

const clock = createSystemClock();
const log = createSilentLog();
let root = "";
let quarantine: Quarantine;
let tracking: Tracking;
let spool: Spool;
let facts: Fact[] = [];
let releases: (readonly [string, ReleaseOrder])[] = [];
let outcome: ReleaseOutcome = { kind: "released", recipients: ["alice@example.org"] };

before(async () => {
  root = await mkdtemp(join(tmpdir(), "postern-commands-"));
});
beforeEach(async () => {
  const folder = await mkdtemp(join(root, "c-"));
  quarantine = createSqliteQuarantine({ folder, clock, log });
  tracking = createSqliteTracking({ folder, clock, log });
  spool = createDiskSpool({ folder: join(folder, "spool"), clock, log });
  facts = [];
  releases = [];
  outcome = { kind: "released", recipients: ["alice@example.org"] };
});
after(() => rm(root, { recursive: true }));

async function run(name: string, args: unknown = {}): Promise<unknown[]> {
  const bus = createFactBus((error) => assert.fail(String(error)));
  bus.listen((fact) => facts.push(fact));
  const commands = createStoreCommands({
    tracking,
    quarantine,
    spool,
    tellSender: async () => "bounced",
    wake() {},
    release: async (id, order) => {
      releases.push([id, order]);
      return outcome;
    },
    facts: bus,
    clock,
    about: () => ({ version: "0.1.0" }),
  });
  return Array.fromAsync(commands.get(name)!(args));
}

const hold = (number: number): Promise<Hold> =>
  quarantine.hold(testHold(number), toBytesSource("x"));

async function closeStores(): Promise<void> {
  await Promise.all([quarantine.close(), tracking.close()]);
}

describe("store commands", () => {
  test("explain takes the id of a transaction, in any case, or of its held copy", async () => {
    const record = testRecord(1);
    tracking.record({ kind: "decided", at: record.decidedAt, record });
    const { id } = await hold(1);
    for (const asked of [record.id, ` ${record.id.toLowerCase()} `, id, id.toLowerCase()])
      assert.deepEqual(await run("explain", { id: asked }), [{ record, fate: [] }]);
    for (const asked of [testId(2), "nonsense", "", "../../etc/passwd"])
      await assert.rejects(run("explain", { id: asked }), { code: "not-found" });
    await closeStores();
  });

  test("arguments of another form are refused before anything is asked", async () => {
    for (const [name, args] of [
      ["explain", {}],
      ["explain", { id: 7 }],
      ["explain", { id: "x", more: 1 }],
      ["explain", null],
      ["trace", { since: 0, limit: 0 }],
      ["trace", { since: 0, limit: 1e9 }],
      ["trace", { since: "7d", limit: 5 }],
      ["quarantine.list", { limit: 5, state: "lost" }],
      ["quarantine.release", { id: "x", by: "", force: false }],
      ["quarantine.delete", { id: "x" }],
    ] as const)
      await assert.rejects(run(name, args), { code: "bad-request" }, JSON.stringify(args));
    await closeStores();
  });

  test("trace answers its rows, status what is known of every store", async () => {
    const record = testRecord(1);
    tracking.record({ kind: "decided", at: record.decidedAt, record });
    const rows = await run("trace", { since: 0, limit: 5, to: "ALICE" });
    assert.equal(rows.length, 1);
    await hold(1);
    assert.deepEqual(await run("status"), [
      {
        version: "0.1.0",
        quarantine: { held: 1, bytes: 1 },
        spool: { due: 0, active: 0, held: 0, unread: 0, corrupt: 0, bytes: 0, oldestAt: null },
        tracking: { lost: 0 },
      },
    ]);
    assert.deepEqual(await run("queue.list", { limit: 1 }), []);
    assert.deepEqual(await run("quarantine.stats"), [{ held: 1, bytes: 1 }]);
    await closeStores();
  });

  test("a release goes to the copy that is meant, and its refusal is told", async () => {
    const first = await hold(1);
    const order = { by: "admin", force: false };
    assert.deepEqual(await run("quarantine.release", { id: testId(1), ...order }), [
      { id: first.id, transactionId: testId(1), recipients: ["alice@example.org"] },
    ]);
    await run("quarantine.release", { id: first.id, to: "bob@example.org", ...order, force: true });
    assert.deepEqual(releases, [
      [first.id, { to: null, by: "admin", force: false }],
      [first.id, { to: "bob@example.org", by: "admin", force: true }],
    ]);
    outcome = { kind: "refused", reason: "malware needs --force" };
    await assert.rejects(run("quarantine.release", { id: first.id, ...order }), {
      code: "refused",
      message: "malware needs --force",
    });
    const second = await hold(1);
    await assert.rejects(run("quarantine.show", { id: testId(1) }), (error: Error) =>
      [first.id, second.id].every((id) => error.message.includes(id)),
    );
    await quarantine.delete(second.id, "x");
    assert.equal(((await run("quarantine.show", { id: testId(1) }))[0] as Hold).id, first.id);
    await closeStores();
  });

  test("a deletion is told as a fact, once, and is refused the second time", async () => {
    const { id } = await hold(1);
    assert.deepEqual(await run("quarantine.delete", { id, by: "admin" }), [
      { id, transactionId: testId(1) },
    ]);
    await assert.rejects(run("quarantine.delete", { id, by: "admin" }), { code: "refused" });
    await assert.rejects(run("quarantine.delete", { id: "0".repeat(16), by: "admin" }), {
      code: "not-found",
    });
    assert.equal(facts.length, 1);
    const { at: _, ...fact } = facts[0]!;
    assert.deepEqual(fact, {
      kind: "deleted",
      id: testId(1),
      holdId: id,
      by: "admin",
      recipients: ["alice@example.org"],
    });
    await closeStores();
  });

  test("the quarantine is listed by its filter", async () => {
    await hold(1);
    const { id } = await hold(2);
    const holds = (await run("quarantine.list", {
      limit: 1,
      state: "held",
      recipient: "alice",
    })) as Hold[];
    assert.deepEqual(
      holds.map((one) => one.id),
      [id],
    );
    assert.deepEqual(await run("quarantine.list", { limit: 5, cause: "no-such-cause" }), []);
    await closeStores();
  });
});
