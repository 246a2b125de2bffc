import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { createMetrics } from "../../src/base/metrics.ts";
import { onceATurn } from "../../src/base/once-a-turn.ts";

test("all gauges of a scrape are one reading, and the next scrape is a new one", async () => {
  let looks = 0;
  const look = onceATurn(() => ({ due: ++looks, held: looks * 10 }));
  const metrics = createMetrics();
  metrics.gauge("postern_due", "x", () => look().due);
  metrics.gauge("postern_held", "x", () => look().held);
  for (const scrape of [1, 2]) {
    const { text } = await metrics.expose();
    assert.match(text, new RegExp(`^postern_due ${scrape}$`, "m"));
    assert.match(text, new RegExp(`^postern_held ${scrape}0$`, "m"));
    await nextTurn();
  }
  assert.equal(looks, 2);
});

test("a reading that throws is tried again by the next who asks", () => {
  let isBroken = true;
  const look = onceATurn(() => {
    if (isBroken) throw new Error("broken");
    return 1;
  });
  assert.throws(look, /broken/);
  isBroken = false;
  assert.equal(look(), 1);
});
