import assert from "node:assert/strict";
import { test } from "node:test";
import type { RateCounters } from "../../src/reputation/rate-counters.ts";
import { createFakeClock, type FakeClock } from "../support/fake-clock.ts";

const HOUR = 3_600_000;
const LIMIT = { capacity: 10, perHour: 5 };

/** What holds for every implementation of RateCounters. */
export function rateCountersConformance(open: (clock: FakeClock) => RateCounters): void {
  const behaves = (
    title: string,
    check: (counters: RateCounters, clock: FakeClock) => Promise<void>,
  ) =>
    test(title, () => {
      const clock = createFakeClock();
      return check(open(clock), clock);
    });
  const takeAll = async (counters: RateCounters, key: string, times: number) => {
    for (let i = 0; i < times; i++) assert.ok((await counters.take(key, 1, LIMIT)).taken, `${i}`);
  };

  behaves("so much fits at once and no more", async (counters) => {
    await takeAll(counters, "a", 10);
    const over = await counters.take("a", 1, LIMIT);
    assert.deepEqual(over, { taken: false, level: 10, begins: true });
  });

  behaves("what has drained may come again, at its pace", async (counters, clock) => {
    await takeAll(counters, "a", 10);
    await clock.advance(HOUR / 5 - 1);
    assert.equal((await counters.take("a", 1, LIMIT)).taken, false);
    await clock.advance(1);
    assert.equal((await counters.take("a", 1, LIMIT)).taken, true);
    assert.equal((await counters.take("a", 1, LIMIT)).taken, false);
    await clock.advance(100 * HOUR);
    await takeAll(counters, "a", 10);
    assert.equal((await counters.take("a", 1, LIMIT)).taken, false);
  });

  behaves("who is refused is not set back by it", async (counters, clock) => {
    await takeAll(counters, "a", 10);
    for (let i = 0; i < 50; i++) await counters.take("a", 1, LIMIT);
    await clock.advance(HOUR / 5);
    assert.equal((await counters.take("a", 1, LIMIT)).taken, true);
  });

  behaves("an amount comes whole or not at all", async (counters) => {
    assert.equal((await counters.take("a", 8, LIMIT)).taken, true);
    assert.equal((await counters.take("a", 3, LIMIT)).taken, false);
    assert.equal((await counters.take("a", 2, LIMIT)).taken, true);
    assert.equal((await counters.take("b", 11, LIMIT)).taken, false);
  });

  behaves("keys do not share, whatever they are", async (counters) => {
    for (const key of ["a", "A", "", "__proto__", "constructor"]) await takeAll(counters, key, 10);
  });

  behaves(
    "a burst begins once, and again after it has drained to half",
    async (counters, clock) => {
      const begins = async () => (await counters.take("a", 1, LIMIT)).begins;
      await takeAll(counters, "a", 10);
      assert.deepEqual([await begins(), await begins()], [true, false]);
      await clock.advance(HOUR / 5);
      await takeAll(counters, "a", 1);
      assert.equal(await begins(), false);
      await clock.advance(HOUR);
      await takeAll(counters, "a", 5);
      assert.equal(await begins(), true);
    },
  );

  behaves("nothing only looks", async (counters) => {
    await takeAll(counters, "a", 10);
    assert.deepEqual(await counters.take("a", 0, LIMIT), { taken: true, level: 10, begins: false });
    assert.equal((await counters.take("b", 0, LIMIT)).level, 0);
  });

  behaves("a limit that was changed holds at once", async (counters) => {
    await takeAll(counters, "a", 10);
    assert.equal((await counters.take("a", 1, { capacity: 12, perHour: 5 })).taken, true);
    assert.equal((await counters.take("a", 1, { capacity: 3, perHour: 5 })).taken, false);
  });

  behaves("those who come together do not get more than one after the other", async (counters) => {
    const answers = await Promise.all(
      Array.from({ length: 40 }, () => counters.take("a", 1, LIMIT)),
    );
    assert.equal(answers.filter(({ taken }) => taken).length, 10);
    assert.equal(answers.filter(({ begins }) => begins).length, 1);
  });
}
