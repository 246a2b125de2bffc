import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createConnectionCounters } from "../../src/smtp/connection-counters.ts";
import { createFakeClock } from "../support/fake-clock.ts";

test("each connection is counted in all, by client and by minute", async () => {
  const clock = createFakeClock();
  const counters = createConnectionCounters(clock);
  assert.deepEqual(counters.enter("a"), { all: 1, ofClient: 1, newOfClientThisMinute: 1 });
  assert.deepEqual(counters.enter("a"), { all: 2, ofClient: 2, newOfClientThisMinute: 2 });
  assert.deepEqual(counters.enter("b"), { all: 3, ofClient: 1, newOfClientThisMinute: 1 });
  counters.leave("a");
  assert.deepEqual(counters.enter("a"), { all: 3, ofClient: 2, newOfClientThisMinute: 3 });
  await clock.advance(60_000);
  assert.deepEqual(counters.enter("a"), { all: 4, ofClient: 3, newOfClientThisMinute: 1 });
  assert.equal(counters.open(), 4);
});

test("a flood from many addresses is forgotten after its minute", async () => {
  const clock = createFakeClock();
  const counters = createConnectionCounters(clock);
  const before = heapInUse();
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < 20_000; i++) {
      counters.enter(`${round}.${i}`);
      counters.leave(`${round}.${i}`);
    }
    await clock.advance(60_000);
  }
  const grown = heapInUse() - before;
  assert(grown < 10 * 1_048_576, `${grown} octets`);
  assert.equal(counters.open(), 0);
});

function heapInUse(): number {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
  return process.memoryUsage().heapUsed;
}
