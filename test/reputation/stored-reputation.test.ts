import assert from "node:assert/strict";
import { test } from "node:test";
import { Unavailable } from "../../src/base/errors.ts";
import { createLog } from "../../src/base/log.ts";
import { createMetrics } from "../../src/base/metrics.ts";
import type { LearnedBatch, ReputationBackend } from "../../src/reputation/reputation-backend.ts";
import { createStoredReputation } from "../../src/reputation/stored-reputation.ts";
import { learned, type StoredRecord } from "../../src/reputation/subject-record.ts";
import { subjectText, toClientSubject } from "../../src/reputation/subjects.ts";
import { createFakeClock } from "../support/fake-clock.ts";

const ANN = toClientSubject("192.0.2.1");
const BOB = toClientSubject("192.0.2.2");
const TIMES = { delayMs: 1000, windowMs: 60_000, passMs: 60_000 };

/** A store by hand: it is away, or full, when told. */
function openFaulty(hotMs = 0) {
  const clock = createFakeClock();
  const records = new Map<string, StoredRecord>();
  const batches: LearnedBatch[] = [];
  const log: string[] = [];
  const state = { reads: true, writes: true, asked: 0 };
  const refuse = (why: string): never => {
    throw new Unavailable("test", why);
  };
  const touched = async () =>
    state.writes ? ({ kind: "new", firstSeen: 0, waitMs: 1000 } as const) : refuse("full");
  const backend: ReputationBackend = {
    async read(subjects) {
      state.asked++;
      if (!state.reads) return refuse("away");
      return subjects.map((subject) => records.get(subjectText(subject)) ?? null);
    },
    async write(batch) {
      if (!state.writes) return refuse("full");
      batches.push(batch);
      for (const { subject, learned: news } of batch.subjects) {
        const key = subjectText(subject);
        const after = learned(records.get(key) ?? null, news, batch.now, 7 * 86_400_000);
        if (after) records.set(key, after);
      }
    },
    forget: async () => refuse("away"),
    claim: async () => refuse("away"),
    greylist: {
      peek: async () => ({ kind: "new", firstSeen: 0, waitMs: 1000 }),
      touch: touched,
      allow: async () => void (await touched()),
      forget: async () => refuse("away"),
    },
    shelf: {
      put: async () => refuse("away"),
      get: async () => refuse("away"),
      list: async () => refuse("away"),
      remove: async () => refuse("away"),
    },
    async close() {},
  };
  const metrics = createMetrics();
  const reputation = createStoredReputation(backend, {
    clock,
    log: createLog({ level: "info", format: "json", write: (line) => void log.push(line) }),
    metrics,
    store: "test",
    hotMs,
  });
  return { reputation, clock, state, records, batches, log, metrics };
}

test("a store that is away is unknown to all who ask, told once and counted", async () => {
  const { reputation, state, log, metrics } = openFaulty();
  state.reads = false;
  for (let i = 0; i < 3; i++)
    assert.deepEqual(await reputation.look([ANN]), { kind: "unknown", reason: "test: away" });
  const others = [
    reputation.forget([ANN]),
    reputation.claim("a", 1),
    reputation.blocks.put({ key: "a", value: 1, until: 1 }),
    reputation.blocks.get(["a"]),
    reputation.blocks.list(),
    reputation.exceptions.remove("a"),
    reputation.greylist.forget("a"),
  ];
  for (const answer of await Promise.all(others)) assert.equal(answer.kind, "unknown");
  assert.equal(
    log.filter((line) => line.includes("reputation-away") && line.includes('"look"')).length,
    1,
  );
  assert.match((await metrics.expose()).text, /unknown_total\{operation="look"\} 3/);
  state.reads = true;
  assert.deepEqual(await reputation.look([ANN]), { kind: "known", value: [null] });
  assert.equal(
    log.filter((line) => line.includes("reputation-back") && line.includes('"look"')).length,
    1,
  );
});

test("what is learned is written within a quarter of a second, many things at once", async () => {
  const { reputation, clock, batches } = openFaulty();
  for (let i = 0; i < 10; i++) reputation.learn([{ subject: ANN, add: { ham: 1 } }]);
  reputation.learn([{ subject: BOB, add: { spam: 1 } }]);
  await clock.advance(250);
  assert.equal(batches.length, 1);
  assert.deepEqual(
    batches[0]?.subjects.map(({ learned: { add } }) => [add?.ham ?? 0, add?.spam ?? 0]),
    [
      [10, 0],
      [0, 1],
    ],
  );
  await clock.advance(10_000);
  assert.equal(batches.length, 1);
  assert.equal(clock.pendingTimers(), 0);
});

test("what a full store did not take is lost, counted, and not written twice", async () => {
  const { reputation, clock, state, batches, metrics } = openFaulty();
  state.writes = false;
  reputation.learn([{ subject: ANN, add: { ham: 1 } }]);
  await clock.advance(1000);
  state.writes = true;
  reputation.learn([{ subject: ANN, add: { ham: 5 } }]);
  await clock.advance(1000);
  assert.equal(batches.length, 1);
  assert.equal(batches[0]?.subjects[0]?.learned.add?.ham, 5);
  assert.match((await metrics.expose()).text, /lost_lessons_total 1/);
});

test("a flood of made-up subjects is bounded, and costs those who wait already nothing", async () => {
  const { reputation, clock, records, metrics } = openFaulty();
  reputation.learn([{ subject: ANN, add: { ham: 1 } }]);
  const flood = Array.from({ length: 25_000 }, (_, i) => ({
    subject: { kind: "helo", key: `made-up-${i}` } as const,
    add: { spam: 1 },
  }));
  reputation.learn(flood);
  reputation.learn([{ subject: ANN, add: { ham: 1 } }]);
  await reputation.flush();
  assert.equal(records.size, 20_000);
  assert.equal(records.get(subjectText(ANN))?.counts[0], 2);
  assert.match((await metrics.expose()).text, /lost_lessons_total 5001/);
  assert.equal(clock.pendingTimers(), 0);
});

test("a busy subject is asked for once in its while, and what is learned here is seen at once", async () => {
  const { reputation, clock, state, records } = openFaulty(500);
  const ham = async () => {
    const answer = await reputation.look([ANN]);
    return answer.kind === "known" ? (answer.value[0]?.counts.ham ?? 0) : null;
  };
  assert.equal(await ham(), 0);
  for (let i = 1; i <= 5; i++) {
    reputation.learn([{ subject: ANN, add: { ham: 1 } }]);
    assert.equal(await ham(), i);
  }
  assert.equal(state.asked, 1);
  // Another node has learned as well.
  await reputation.flush();
  const stored = records.get(subjectText(ANN));
  assert.ok(stored);
  records.set(subjectText(ANN), { ...stored, counts: stored.counts.map((one) => one + 1) });
  assert.equal(await ham(), 5);
  await clock.advance(500);
  assert.equal(await ham(), 6);
  assert.equal(state.asked, 2);
});

test("an answer that a lesson has overtaken is not kept", async () => {
  const { reputation, state } = openFaulty(500);
  const looking = reputation.look([ANN]);
  reputation.learn([{ subject: ANN, add: { ham: 1 } }]);
  await reputation.flush();
  await looking;
  const answer = await reputation.look([ANN]);
  assert.equal(answer.kind === "known" && answer.value[0]?.counts.ham, 1);
  assert.equal(state.asked, 2);
});

test("nobody is told to come again while that cannot be kept", async () => {
  const { reputation, clock, state } = openFaulty();
  const peek = async () => (await reputation.greylist.peek("a", TIMES)).kind;
  assert.equal(await peek(), "known");
  state.writes = false;
  assert.equal((await reputation.greylist.touch("a", TIMES)).kind, "unknown");
  assert.equal(await peek(), "unknown");
  await clock.advance(10_000);
  assert.equal(await peek(), "known");
  await reputation.greylist.touch("a", TIMES);
  state.writes = true;
  assert.equal(await peek(), "unknown");
  await clock.advance(10_000);
  await reputation.greylist.touch("a", TIMES);
  assert.equal(await peek(), "known");
});
