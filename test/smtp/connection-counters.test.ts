import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createConnectionCounters } from "../../src/smtp/connection-counters.ts";
import { createFakeClock } from "../support/fake-clock.ts";

function setUp(max = 1000) {
  const clock = createFakeClock();
  const changes: boolean[] = [];
  const stressChanged = (isOn: boolean) => void changes.push(isOn);
  return {
    clock,
    changes,
    counters: createConnectionCounters({ clock, max: () => max, stressChanged }),
  };
}

test("each connection is counted in all, by listener, by client and by minute", async () => {
  const { clock, counters } = setUp();
  const first = counters.enter("internet");
  assert.deepEqual([first.all, first.ofListener], [1, 1]);
  assert.deepEqual(first.countFor("a"), { open: 1, newThisMinute: 1 });
  const second = counters.enter("hub");
  assert.deepEqual([second.all, second.ofListener], [2, 1]);
  assert.deepEqual(second.countFor("a"), { open: 2, newThisMinute: 2 });
  const other = counters.enter("internet");
  assert.deepEqual([other.all, other.ofListener], [3, 2]);
  assert.deepEqual(other.countFor("b"), { open: 1, newThisMinute: 1 });
  first.leave();
  assert.deepEqual(counters.enter("internet").countFor("a"), { open: 2, newThisMinute: 3 });
  await clock.advance(60_000);
  assert.deepEqual(counters.enter("internet").countFor("a"), { open: 3, newThisMinute: 1 });
  assert.equal(counters.open(), 4);
});

test("a connection whose client is not known yet is counted in all", () => {
  const { counters } = setUp();
  const unknown = counters.enter("internet");
  assert.equal(counters.enter("internet").all, 2);
  unknown.leave();
  assert.equal(counters.open(), 1);
});

test("stress begins over 80 percent of the limit and ends below 60", () => {
  const { counters, changes } = setUp(10);
  const open = Array.from({ length: 8 }, () => counters.enter("internet"));
  assert.equal(counters.isStressed(), false);
  open.push(counters.enter("internet"));
  assert.equal(counters.isStressed(), true);
  for (const connection of open.splice(0, 3)) connection.leave();
  assert.deepEqual([counters.open(), counters.isStressed()], [6, true]);
  open.pop()?.leave();
  assert.deepEqual([counters.open(), counters.isStressed()], [5, false]);
  assert.deepEqual(changes, [true, false]);
});

test("a flood from many addresses is forgotten after its minute", async () => {
  const { clock, counters } = setUp();
  const before = heapInUse();
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < 20_000; i++) {
      const connection = counters.enter("internet");
      connection.countFor(`${round}.${i}`);
      connection.leave();
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
