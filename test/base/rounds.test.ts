import assert from "node:assert/strict";
import { test } from "node:test";
import { startLaterRounds, startRounds } from "../../src/base/rounds.ts";
import { createFakeClock } from "../support/fake-clock.ts";

test("rounds come at once and then in their time, never two together, until they are stopped", async () => {
  const clock = createFakeClock();
  const begun: number[] = [];
  let finish = () => {};
  const stop = startRounds(clock, 1000, async () => {
    begun.push(clock.monotonic());
    if (begun.length === 2)
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
  });
  await clock.advance(5000);
  assert.deepEqual(begun, [0, 1000]);
  finish();
  await clock.advance(1000);
  assert.deepEqual(begun, [0, 1000, 6000]);
  stop();
  await clock.advance(10_000);
  assert.equal(begun.length, 3);
  assert.equal(clock.pendingTimers(), 0);
});

test("later rounds are the same, but the first is as far away as the others", async () => {
  const clock = createFakeClock();
  const begun: number[] = [];
  const stop = startLaterRounds(clock, 1000, async () => void begun.push(clock.monotonic()));
  await clock.advance(2500);
  assert.deepEqual(begun, [1000, 2000]);
  stop();
  assert.equal(clock.pendingTimers(), 0);
});
