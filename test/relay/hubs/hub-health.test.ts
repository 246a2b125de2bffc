import assert from "node:assert/strict";
import { test } from "node:test";
import {
  createHubHealth,
  type HubHealth,
  type Rest,
  type Trial,
} from "../../../src/relay/hubs/hub-health.ts";
import { createFakeClock } from "../../support/fake-clock.ts";

function bench() {
  const clock = createFakeClock();
  return { clock, health: createHubHealth(clock) };
}

function admitted(health: HubHealth, key = "hub", longestMs?: number): Trial {
  const trial = health.admit(key, longestMs);
  assert.ok(!("until" in trial), "not admitted");
  return trial;
}

function assertRests(health: HubHealth): Rest {
  const rest = health.admit("hub");
  assert.ok("until" in rest, "admitted");
  return rest;
}

test("what failed rests, twice as long each time a probe fails, up to a bound", async () => {
  const { clock, health } = bench();
  admitted(health, "hub", 5000).failed("no answer");
  for (const pauseMs of [1000, 2000, 4000, 5000, 5000]) {
    assert.equal(health.restOf("hub")?.until, clock.monotonic() + pauseMs);
    await clock.advance(pauseMs - 1);
    assertRests(health);
    await clock.advance(1);
    assert.equal(health.restOf("hub"), null);
    admitted(health, "hub", 5000).failed("no answer");
  }
});

test("why it rests is told, the latest reason, also while it is probed", async () => {
  const { clock, health } = bench();
  admitted(health).failed("connect ECONNREFUSED");
  assert.equal(assertRests(health).reason, "connect ECONNREFUSED");
  await clock.advance(1000);
  const probe = admitted(health);
  assert.equal(assertRests(health).reason, "connect ECONNREFUSED");
  probe.failed(`421 ${"go away ".repeat(8000)}`);
  assert.equal(health.restOf("hub")?.reason, `421 ${"go away ".repeat(37)}`);
});

test("one probe is let through; the others wait for what becomes of it", async () => {
  const { clock, health } = bench();
  admitted(health).failed("no answer");
  await clock.advance(1000);
  const probe = admitted(health);
  assertRests(health);
  assert.equal(health.restOf("hub")?.until, clock.monotonic() + 1000, "it may be over soon");
  assert.equal(probe.worked(), true);
  assert.equal(health.restOf("hub"), null);
  assert.equal(admitted(health).worked(), false);
});

test("a probe that learns nothing lets the next one try at once", async () => {
  const { clock, health } = bench();
  admitted(health).failed("no answer");
  await clock.advance(1000);
  admitted(health).undecided();
  admitted(health).failed("no answer");
  assert.equal(health.restOf("hub")?.until, clock.monotonic() + 2000);
});

test("a probe that never ends keeps the others out for a minute, not for ever", async () => {
  const { clock, health } = bench();
  admitted(health).failed("no answer");
  await clock.advance(1000);
  admitted(health);
  await clock.advance(59_999);
  assertRests(health);
  await clock.advance(1);
  admitted(health);
});

test("many attempts that were under way when it died lengthen the pause once", async () => {
  const { clock, health } = bench();
  const trials = Array.from({ length: 20 }, () => admitted(health));
  for (const trial of trials) trial.failed("no answer");
  assert.equal(health.restOf("hub")?.until, clock.monotonic() + 1000);
});

test("who was not tried because all behind it rests is asked for when they wake", async () => {
  const { clock, health } = bench();
  admitted(health).resting({ until: clock.monotonic() + 7000, reason: "all are away" });
  assert.equal(health.restOf("hub")?.until, clock.monotonic() + 7000);
  await clock.advance(7000);
  admitted(health).failed("no answer");
  assert.equal(health.restOf("hub")?.until, clock.monotonic() + 2000);
});

test("a flood of dead domains is remembered within bounds, the latest of them", () => {
  const { health } = bench();
  for (let i = 0; i < 25_000; i++) admitted(health, `d${i}`).failed("no answer");
  assert.equal(health.resting(), 20_000);
  assert.equal(health.restOf("d0"), null);
  assert.notEqual(health.restOf("d24999"), null);
});
