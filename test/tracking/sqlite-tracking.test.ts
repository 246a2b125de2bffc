import assert from "node:assert/strict";
import { mkdtemp, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { createSilentLog, type Log } from "../../src/base/log.ts";
import type { Fact } from "../../src/pipeline/facts.ts";
import { createSqliteTracking } from "../../src/tracking/sqlite-tracking.ts";
import { MAX_RECORD_CHARS } from "../../src/tracking/stored-fact.ts";
import type { Tracking } from "../../src/tracking/tracking.ts";
import { testId, testRecord, testReport } from "../support/test-records.ts";

const clock = createSystemClock();
let root = "";
before(async () => {
  root = await mkdtemp(join(tmpdir(), "postern-tracking-"));
});
after(() => rm(root, { recursive: true }));

async function withTracking(
  use: (tracking: Tracking, folder: string) => Promise<void>,
  options: { readonly queueLimit?: number; readonly log?: Log; readonly folder?: string } = {},
): Promise<void> {
  const folder = options.folder ?? (await mkdtemp(join(root, "t-")));
  const tracking = createSqliteTracking({ folder, clock, log: createSilentLog(), ...options });
  try {
    await use(tracking, folder);
  } finally {
    await tracking.close();
  }
}

function decided(...parameters: Parameters<typeof testRecord>): Fact {
  const record = testRecord(...parameters);
  return { kind: "decided", at: record.decidedAt, record };
}

function delivered(number: number, at: number): Fact {
  return {
    kind: "delivered",
    at,
    id: testId(number),
    recipients: ["alice@example.org"],
    hub: "10.1.0.25:25",
    reply: "250 2.0.0 queued",
  };
}

describe("sqlite tracking, beyond what every tracking does", () => {
  test("facts that wait survive a store that is away and are stored when it is back", async () => {
    const events: string[] = [];
    const log = {
      ...createSilentLog(),
      error: (e: string) => events.push(e),
      info: (e: string) => events.push(e),
    };
    await withTracking(
      async (tracking, folder) => {
        const file = join(folder, "tracking.db");
        await writeFile(
          file,
          "this is no database, but long enough to be read as a header".repeat(20),
        );
        tracking.record(decided(1));
        await assert.rejects(tracking.flush(), { name: "Unavailable", dependency: "tracking" });
        await assert.rejects(tracking.flush());
        assert.deepEqual(events, ["tracking-away"]);
        await rename(file, `${file}.broken`);
        await tracking.flush();
        assert.equal((await tracking.explain(testId(1)))?.record.id, testId(1));
        assert.equal(events.includes("tracking-back"), true);
        assert.equal(tracking.lost(), 0);
      },
      { log: log as Log },
    );
  });

  test("beyond the queue's bound facts are lost and counted, and the gateway goes on", async () => {
    await withTracking(
      async (tracking, folder) => {
        await writeFile(join(folder, "tracking.db"), "rubbish ".repeat(500));
        const taken = Array.from({ length: 25 }, (_, i) => tracking.record(decided(i)));
        assert.deepEqual(taken, [...Array(10).fill(true), ...Array(15).fill(false)]);
        assert.equal(tracking.lost(), 15);
        await assert.rejects(tracking.flush());
      },
      { queueLimit: 10 },
    );
  });

  test("a database that is removed under a running gateway is made anew", async () => {
    await withTracking(async (tracking, folder) => {
      tracking.record(decided(1));
      await tracking.flush();
      for (const name of await readdir(folder)) await rm(join(folder, name));
      tracking.record(decided(2));
      await tracking.flush();
      assert.equal((await stat(join(folder, "tracking.db"))).isFile(), true);
      assert.equal((await tracking.explain(testId(2)))?.record.id, testId(2));
      assert.equal(await tracking.explain(testId(1)), null);
    });
  });

  test("a folder that cannot be made is the store being away, not an exception for the mail", async () => {
    const file = join(root, "a-file");
    await writeFile(file, "");
    await withTracking(
      async (tracking) => {
        assert.equal(tracking.record(decided(1)), true);
        await assert.rejects(tracking.flush(), { name: "Unavailable" });
        await assert.rejects(tracking.trace({ limit: 10 }), { name: "Unavailable" });
      },
      { folder: join(file, "below") },
    );
  });

  test("a fact that is no plain JSON is counted as lost and does not stop the next", async () => {
    await withTracking(async (tracking) => {
      const circular: { self?: unknown } = {};
      circular.self = circular;
      const bad = decided(1, { reports: [testReport("x", { evidence: circular as never })] });
      assert.equal(tracking.record(bad), false);
      const unbound = decided(2, { decidedAt: undefined as never });
      assert.equal(tracking.record(unbound), true);
      assert.equal(tracking.record(decided(3)), true);
      await tracking.flush();
      assert.equal(tracking.lost(), 2);
      assert.equal((await tracking.trace({ limit: 10 })).length, 1);
    });
  });

  test("monstrous evidence is left out, and its transaction can still be found and explained", async () => {
    await withTracking(async (tracking) => {
      const monster = testReport("mime", { evidence: { names: ["x".repeat(MAX_RECORD_CHARS)] } });
      const reports = [testReport("spf", { evidence: { result: "fail" } }), monster];
      tracking.record(decided(1, { reports }));
      const story = await tracking.explain(testId(1));
      assert.deepEqual(story?.record.reports[0]?.evidence, { result: "fail" });
      assert.deepEqual(story?.record.reports[1]?.evidence, { leftOut: "too large to be stored" });
    });
  });

  test("10,000 facts are stored in seconds, and a search among them takes well under one", async () => {
    await withTracking(
      async (tracking) => {
        const started = performance.now();
        for (let i = 0; i < 10_000; i++) tracking.record(i % 2 ? delivered(i - 1, i) : decided(i));
        await tracking.flush();
        assert.ok(performance.now() - started < 10_000);
        assert.equal(tracking.lost(), 0);
        const searched = performance.now();
        assert.equal((await tracking.trace({ to: "nobody", limit: 10 })).length, 0);
        assert.ok(performance.now() - searched < 2000);
      },
      { queueLimit: 10_000 },
    );
  });

  test("what is stored is there after a restart, and the schema is not made twice", async () => {
    const folder = await mkdtemp(join(root, "t-"));
    await withTracking(async (tracking) => void tracking.record(decided(1)), { folder });
    await withTracking(
      async (tracking) => {
        tracking.record(delivered(1, 5));
        const story = await tracking.explain(testId(1));
        assert.deepEqual(story?.fate, [delivered(1, 5)]);
      },
      { folder },
    );
  });

  test("retention removes in bites what is older, strays too, and keeps the rest", async () => {
    await withTracking(async (tracking) => {
      for (let i = 0; i < 1200; i++) tracking.record(decided(i));
      const border = testRecord(1100).decidedAt;
      tracking.record(delivered(5, border + 1));
      tracking.record({ kind: "policy-reloaded", at: border - 1, version: "x" });
      await tracking.flush();
      assert.equal(await tracking.expire(border), 1100);
      assert.equal(await tracking.expire(border), 0);
      assert.equal((await tracking.trace({ limit: 1000 })).length, 100);
      assert.equal(await tracking.explain(testId(5)), null);
    });
  });
});
