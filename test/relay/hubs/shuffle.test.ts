import assert from "node:assert/strict";
import { test } from "node:test";
import { shuffleByWeight, shuffleWithinRanks } from "../../../src/relay/hubs/shuffle.ts";

/** Evenly over 0 to 1, so that shares are exact. */
function evenly(steps: number): () => number {
  let step = 0;
  return () => ((step++ % steps) + 0.5) / steps;
}

test("each comes first as often as its weight says", () => {
  const weights = { a: 1, b: 3, c: 6 };
  const first = new Map<string, number>();
  for (let i = 0; i < 100; i++) {
    const drawn = shuffleByWeight(
      Object.entries(weights),
      ([, weight]) => weight,
      () => (i + 0.5) / 100,
    );
    const name = drawn[0]?.[0] ?? "";
    first.set(name, (first.get(name) ?? 0) + 1);
  }
  assert.deepEqual(Object.fromEntries(first), { a: 10, b: 30, c: 60 });
});

test("nobody is lost and nobody comes twice, at the edges of random too", () => {
  for (const random of [() => 0, () => 0.999_999_999, evenly(7), Math.random]) {
    const items = Array.from({ length: 20 }, (_, i) => i);
    const drawn = shuffleByWeight(items, (i) => i + 1, random);
    assert.deepEqual(
      [...drawn].sort((a, b) => a - b),
      items,
    );
  }
});

test("a lower rank always comes before a higher one", () => {
  const items = [3, 1, 2, 1, 3, 2];
  const drawn = shuffleWithinRanks(items, (rank) => rank, Math.random);
  assert.deepEqual(drawn, [1, 1, 2, 2, 3, 3]);
  assert.deepEqual(
    shuffleWithinRanks([], (rank: number) => rank, Math.random),
    [],
  );
});
