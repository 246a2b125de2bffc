import assert from "node:assert/strict";
import { test } from "node:test";
import { createLog } from "../../src/base/log.ts";
import { createMetrics } from "../../src/base/metrics.ts";
import {
  createBackPressure,
  describePressure,
  isShut,
  nextLevel,
  type PressureLevel,
  type PressureLevels,
  type Probe,
  type Resource,
} from "../../src/gateway/back-pressure.ts";
import { limitsSchema } from "../../src/policy/limits.ts";
import { createFakeClock } from "../support/fake-clock.ts";

const THRESHOLDS = { normal: 20, medium: 50, high: 80 };

/** The levels after each of the values, beginning with normal. */
function levelsOf(values: readonly number[]): readonly PressureLevel[] {
  let level: PressureLevel = "normal";
  return values.map((value) => {
    level = nextLevel(level, value, THRESHOLDS);
    return level;
  });
}

test("a resource becomes short at its thresholds, not before", () => {
  assert.deepEqual(levelsOf([0, 49, 50, 79, 80, 100]), [
    "normal",
    "normal",
    "medium",
    "medium",
    "high",
    "high",
  ]);
  assert.deepEqual(levelsOf([100]), ["high"]);
});

test("it recovers only when the next lower threshold is left behind", () => {
  assert.deepEqual(levelsOf([80, 79, 50, 49, 21, 20]), [
    "high",
    "high",
    "high",
    "medium",
    "medium",
    "normal",
  ]);
  assert.deepEqual(levelsOf([80, 20]), ["high", "normal"]);
  assert.deepEqual(levelsOf([50, 49, 21, 50, 20, 49]), [
    "medium",
    "medium",
    "medium",
    "medium",
    "normal",
    "normal",
  ]);
});

function bench(
  probes: { readonly [R in Resource]?: Probe },
  told: () => PressureLevels = () => ({}),
) {
  const clock = createFakeClock();
  const metrics = createMetrics();
  const lines: Record<string, unknown>[] = [];
  const news: PressureLevels[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line));
  const log = createLog({ level: "info", format: "json", write });
  const { backPressure } = limitsSchema.parse({});
  const limits = () => backPressure;
  const changed = (levels: PressureLevels) => void news.push(levels);
  const pressure = createBackPressure({ clock, log, metrics, probes, limits, told, changed });
  return { clock, metrics, lines, news, pressure };
}

test("at medium strangers are refused and our own mail is taken, at high nobody's is", async () => {
  let entries = 0;
  const { clock, pressure } = bench({ spoolEntries: () => entries });
  await pressure.start();
  const rows: (readonly [boolean, boolean, boolean])[] = [];
  for (entries of [99_999, 100_000, 150_000, 99_999, 80_000]) {
    await clock.advance(1000);
    rows.push([pressure.refusesMail(true), pressure.refusesMail(false), isShut(pressure)]);
  }
  assert.deepEqual(rows, [
    [false, false, false],
    [true, false, false],
    [true, true, true],
    [true, false, false],
    [false, false, false],
  ]);
  pressure.stop();
});

test("a short disk refuses only what must rest on it", async () => {
  let used = 0;
  const { clock, pressure } = bench({ diskUsedPercent: () => used });
  await pressure.start();
  const rows: (readonly boolean[])[] = [];
  for (used of [95, 96, 98]) {
    await clock.advance(1000);
    rows.push([
      pressure.refusesDisk(true),
      pressure.refusesDisk(false),
      pressure.refusesMail(true),
    ]);
  }
  assert.deepEqual(rows, [
    [false, false, false],
    [true, false, false],
    [true, true, false],
  ]);
  pressure.stop();
});

test("a probe that fails counts as short, and is believed again when it answers", async () => {
  const answers = [new Error("EIO"), 10];
  const probe = async () => {
    const answer = answers.shift() ?? 10;
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const { clock, lines, pressure } = bench({ diskUsedPercent: probe });
  await pressure.start();
  assert.equal(pressure.refusesDisk(false), true);
  await clock.advance(1000);
  assert.equal(pressure.refusesDisk(true), false);
  assert.deepEqual(
    lines.map(({ event, resource, level, error }) => [event, resource, level, error]),
    [
      ["back-pressure", "diskUsedPercent", "high", "EIO"],
      ["back-pressure", "diskUsedPercent", "normal", undefined],
    ],
  );
  pressure.stop();
});

test("only changes are logged and told, after a first word in any case", async () => {
  let used = 50;
  const { clock, lines, news, pressure } = bench({ systemMemoryPercent: () => used });
  await pressure.start();
  for (used of [50, 95, 96, 93, 92]) await clock.advance(1000);
  assert.deepEqual(
    news.map(({ systemMemoryPercent }) => systemMemoryPercent),
    ["normal", "medium", "normal"],
  );
  assert.deepEqual(
    lines.map(({ level, before, value, medium }) => [level, before, value, medium]),
    [
      ["medium", "normal", 95, 95],
      ["normal", "medium", 92, 95],
    ],
  );
  pressure.stop();
  assert.equal(clock.pendingTimers(), 0);
});

test("what another process measures counts as well, and the metric and /readyz name it", async () => {
  const told: PressureLevels = { spoolEntries: "medium" };
  const { metrics, pressure } = bench({ messageMemoryPercent: () => 99 }, () => told);
  await pressure.start();
  assert.equal(pressure.refusesMail(false), true);
  const { text } = await metrics.expose();
  assert.match(text, /postern_back_pressure\{resource="spoolEntries"\} 1/);
  assert.match(text, /postern_back_pressure\{resource="messageMemoryPercent"\} 2/);
  assert.deepEqual(describePressure(pressure.levels()), [
    "back-pressure: spoolEntries is medium",
    "back-pressure: messageMemoryPercent is high",
  ]);
  pressure.stop();
});
