import assert from "node:assert/strict";
import { test } from "node:test";
import { startRounds } from "../../src/base/rounds.ts";
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
