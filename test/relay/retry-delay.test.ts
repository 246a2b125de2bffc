import assert from "node:assert/strict";
import { test } from "node:test";
import { isGivenUp, toRetryDelay } from "../../src/relay/retry-delay.ts";

const LIMITS = {
  waitSeconds: 20,
  retryFirstSeconds: 300,
  retryMaxSeconds: 3600,
  warnAfterSeconds: 14_400,
  giveUpAfterSeconds: 432_000,
};

test("waits double from five minutes to an hour", () => {
  const minutes = [];
  for (let ageMs = 0; minutes.length < 7; ) {
    const delay = toRetryDelay(ageMs, LIMITS, 0.5);
    minutes.push(delay / 60_000);
    ageMs += delay;
  }
  assert.deepEqual(minutes, [5, 5, 10, 20, 40, 60, 60]);
});

test("waits are spread by a tenth", () => {
  assert.equal(toRetryDelay(0, LIMITS, 0), 270_000);
  assert.equal(toRetryDelay(0, LIMITS, 1), 330_000);
});

test("a clock that jumped back does no harm", () => {
  assert.equal(toRetryDelay(-1e9, LIMITS, 0.5), 300_000);
});

test("after five days it is given up", () => {
  assert.equal(isGivenUp(432_000_000 - 1, LIMITS), false);
  assert.equal(isGivenUp(432_000_000, LIMITS), true);
});
