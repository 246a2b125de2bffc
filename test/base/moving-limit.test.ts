import assert from "node:assert/strict";
import { test } from "node:test";
import { createMovingLimit } from "../../src/base/moving-limit.ts";
import { createFakeClock } from "../support/fake-clock.ts";

function start() {
  const clock = createFakeClock();
  const reachedAt: number[] = [];
  const limit = createMovingLimit(clock, () => reachedAt.push(clock.monotonic()));
  return { clock, limit, reachedAt };
}

test("a moment that is moved on is reached once, at the last of them", async () => {
  const { clock, limit, reachedAt } = start();
  limit.set(100);
  await clock.advance(60);
  limit.set(160);
  await clock.advance(99);
  assert.deepEqual(reachedAt, []);
  await clock.advance(1000);
  assert.deepEqual(reachedAt, [160]);
});

test("an earlier moment counts as well as a later one", async () => {
  const { clock, limit, reachedAt } = start();
  limit.set(100);
  limit.set(40);
  await clock.advance(50);
  assert.deepEqual(reachedAt, [40]);
  await clock.advance(100);
  assert.deepEqual(reachedAt, [40]);
});

test("a moment that has gone is reached at once, and a cleared one never", async () => {
  const { clock, limit, reachedAt } = start();
  await clock.advance(500);
  limit.set(400);
  await clock.advance(0);
  assert.deepEqual(reachedAt, [500]);
  limit.set(600);
  limit.clear();
  await clock.advance(1000);
  assert.deepEqual(reachedAt, [500]);
});

test("moving it on costs no timer, and its end leaves none", () => {
  const { clock, limit } = start();
  for (let at = 1000; at < 2000; at++) {
    limit.set(at);
    limit.clear();
  }
  assert.equal(clock.pendingTimers(), 1);
  limit.end();
  assert.equal(clock.pendingTimers(), 0);
});
