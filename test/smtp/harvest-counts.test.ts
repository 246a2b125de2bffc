import assert from "node:assert/strict";
import { test } from "node:test";
import { createHarvestCounts } from "../../src/smtp/harvest-counts.ts";
import { createFakeClock } from "../support/fake-clock.ts";

const MINUTE = 60_000;

test("what several sessions report adds up, for each client apart", () => {
  const counts = createHarvestCounts(createFakeClock());
  counts.add("a", 3);
  counts.add("a", 4);
  counts.add("b", 1);
  counts.add("c", 0);
  assert.deepEqual([counts.of("a"), counts.of("b"), counts.of("c")], [7, 1, 0]);
});

test("ten minutes after the first of them all are forgotten, however late the last came", async () => {
  const clock = createFakeClock();
  const counts = createHarvestCounts(clock);
  counts.add("a", 3);
  await clock.advance(9 * MINUTE);
  counts.add("a", 4);
  assert.equal(counts.of("a"), 7);
  await clock.advance(MINUTE);
  assert.equal(counts.of("a"), 0);
  counts.add("a", 1);
  assert.equal(counts.of("a"), 1);
});

test("of too many clients those who came first are forgotten", () => {
  const counts = createHarvestCounts(createFakeClock(), 2);
  for (const client of ["a", "b", "c"]) counts.add(client, 1);
  assert.deepEqual(["a", "b", "c"].map(counts.of), [0, 1, 1]);
});
