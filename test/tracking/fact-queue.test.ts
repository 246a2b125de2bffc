import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createSilentLog, type Log } from "../../src/base/log.ts";
import { FactQueue } from "../../src/tracking/fact-queue.ts";
import type { WeighedFact } from "../../src/tracking/stored-fact.ts";
import type { StoredFact } from "../../src/tracking/tracking-store.ts";
import { createFakeClock } from "../support/fake-clock.ts";

/** A writer that a test lets answer, or fail. */
function setUp(limits: { readonly maxFacts?: number; readonly maxChars?: number } = {}) {
  const clock = createFakeClock();
  const batches: (readonly number[])[] = [];
  const events: string[] = [];
  const note = (event: string) => void events.push(event);
  const log: Log = { ...createSilentLog(), info: note, error: note };
  const writer = {
    answer: async (facts: readonly StoredFact[]): Promise<number> => facts.length,
  };
  const queue = new FactQueue({
    clock,
    log,
    maxFacts: limits.maxFacts ?? 10_000,
    maxChars: limits.maxChars ?? 1e9,
    write: (facts) => {
      batches.push(facts.map(({ at }) => at));
      return writer.answer(facts);
    },
  });
  const push = (...numbers: number[]) => numbers.map((at) => queue.push(weighed(at)));
  return { clock, batches, events, writer, queue, push };
}

function weighed(at: number, chars = 10): WeighedFact {
  return { fact: { kind: "fact", id: null, at, fact: "{}" }, chars };
}

const away = async (): Promise<number> => {
  throw new Error("disk on fire");
};

describe("fact queue", () => {
  test("facts wait 50 ms for company and go in one batch, in order", async () => {
    const { clock, batches, push } = setUp();
    push(1, 2);
    await clock.advance(49);
    push(3);
    assert.deepEqual(batches, []);
    await clock.advance(1);
    assert.deepEqual(batches, [[1, 2, 3]]);
    push(4);
    await clock.advance(50);
    assert.deepEqual(batches, [[1, 2, 3], [4]]);
    assert.equal(clock.pendingTimers(), 0);
  });

  test("a batch has at most 500 facts, and one that is too large goes alone", async () => {
    const { clock, batches, push, queue } = setUp();
    push(...Array(1100).keys());
    await clock.advance(50);
    assert.deepEqual(
      batches.map(({ length }) => length),
      [500, 500],
    );
    await clock.advance(50);
    queue.push(weighed(1, 3_000_000));
    queue.push(weighed(2, 3_000_000));
    await queue.flush();
    assert.deepEqual(batches.slice(3), [[1], [2]]);
  });

  test("a batch that failed is tried again every second and keeps its place", async () => {
    const { clock, batches, events, push, writer, queue } = setUp();
    writer.answer = away;
    push(1);
    await clock.advance(50);
    push(2);
    await clock.advance(2000);
    assert.deepEqual(batches, [[1], [1, 2], [1, 2]]);
    writer.answer = async (facts) => facts.length;
    await clock.advance(1000);
    assert.deepEqual(batches.at(-1), [1, 2]);
    assert.deepEqual(events, ["tracking-away", "tracking-back"]);
    assert.equal(queue.lost(), 0);
    await clock.advance(5000);
    assert.equal(batches.length, 4);
  });

  test("the bounds of facts and of memory hold while the store is away, and free up after", async () => {
    const { clock, events, push, writer, queue } = setUp({ maxFacts: 3, maxChars: 100 });
    writer.answer = away;
    assert.deepEqual(push(1, 2, 3, 4), [true, true, true, false]);
    await clock.advance(60);
    assert.deepEqual(push(5), [false]);
    assert.equal(queue.lost(), 2);
    assert.deepEqual(events, ["tracking-facts-lost", "tracking-away"]);
    writer.answer = async (facts) => facts.length;
    await clock.advance(2000);
    assert.equal(queue.push(weighed(6, 101)), false);
    assert.equal(queue.push(weighed(7, 100)), true);
    assert.equal(queue.push(weighed(8, 1)), false);
  });

  test("flush waits for what was taken, also for a batch under way, not for what comes later", async () => {
    const { clock, batches, push, writer, queue } = setUp();
    const gate = Promise.withResolvers<void>();
    writer.answer = async (facts) => {
      await gate.promise;
      return facts.length;
    };
    push(1);
    await clock.advance(50);
    push(2);
    const flushed = queue.flush();
    push(3);
    gate.resolve();
    await flushed;
    assert.deepEqual(batches, [[1], [2, 3]]);
    await queue.flush();
    assert.equal(batches.length, 2);
  });

  test("flush fails at once when the store is away, and after 10 s when it hangs", async () => {
    const { clock, push, writer, queue } = setUp();
    writer.answer = away;
    push(1);
    await assert.rejects(queue.flush(), /disk on fire/);
    writer.answer = () => new Promise(() => {});
    const flushed = assert.rejects(queue.flush(), { name: "Unavailable", dependency: "tracking" });
    await clock.advance(10_000);
    await flushed;
  });

  test("what can never be stored is counted and does not hold up the rest", async () => {
    const { push, writer, queue } = setUp();
    writer.answer = async (facts) => facts.length - 1;
    push(1, 2, 3);
    await queue.flush();
    assert.equal(queue.lost(), 1);
  });

  test("close stores what it can, counts the rest, and leaves no timer", async () => {
    const first = setUp();
    first.push(1);
    await first.queue.close();
    assert.deepEqual(first.batches, [[1]]);
    assert.deepEqual(first.push(2), [false]);
    const second = setUp();
    second.writer.answer = away;
    second.push(1, 2);
    await second.queue.close();
    assert.equal(second.queue.lost(), 2);
    assert.equal(first.clock.pendingTimers() + second.clock.pendingTimers(), 0);
  });
});
