import assert from "node:assert/strict";
import { test } from "node:test";
import { createIds, ID_PATTERN } from "../../src/base/ids.ts";
import { createFakeClock } from "../support/fake-clock.ts";

/** Of the 18 characters these tell the time. */
const TIME_CHARS = 9;

test("no two ids are the same, also of one millisecond, and all sort by time", async () => {
  const clock = createFakeClock();
  const ids = createIds(clock);
  const all: string[] = [];
  for (let ms = 0; ms < 3; ms++) {
    for (let i = 0; i < 1000; i++) all.push(i % 2 ? ids.transaction() : ids.session());
    await clock.advance(1);
  }
  assert.equal(new Set(all).size, 3000);
  assert.ok(all.every((id) => ID_PATTERN.test(id)));
  const times = all.map((id) => id.slice(0, TIME_CHARS));
  assert.deepEqual(times, [...times].sort());
});

test("no two makers of ids share what is random in them", () => {
  const clock = createFakeClock();
  const makers = [createIds(clock), createIds(clock)];
  const randoms = makers.map((ids) => ids.transaction().slice(TIME_CHARS));
  assert.notEqual(randoms[0], randoms[1]);
});
