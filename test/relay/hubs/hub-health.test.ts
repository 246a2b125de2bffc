import assert from "node:assert/strict";
import { test } from "node:test";
import { createHubHealth, type HubHealth, type Trial } from "../../../src/relay/hubs/hub-health.ts";
import { createFakeClock } from "../../support/fake-clock.ts";

function bench() {
  const clock = createFakeClock();
  return { clock, health: createHubHealth(clock) };
}

function admitted(health: HubHealth, longestMs?: number): Trial {
  const trial = health.admit("hub", longestMs);
  assert.ok(trial, "not admitted");
  return trial;
}

test("what failed rests, twice as long each time a probe fails, up to a bound", async () => {
  const { clock, health } = bench();
  admitted(health, 5000).failed();
  for (const pauseMs of [1000, 2000, 4000, 5000, 5000]) {
    assert.equal(health.restsUntil("hub"), clock.monotonic() + pauseMs);
    await clock.advance(pauseMs - 1);
    assert.equal(health.admit("hub"), null);
    await clock.advance(1);
    assert.equal(health.restsUntil("hub"), null);
    admitted(health, 5000).failed();
  }
});

test("one probe is let through; the others wait for what becomes of it", async () => {
  const { clock, health } = bench();
  admitted(health).failed();
  await clock.advance(1000);
  const probe = admitted(health);
  assert.equal(health.admit("hub"), null);
  assert.equal(health.restsUntil("hub"), clock.monotonic() + 1000, "it may be over soon");
  assert.equal(probe.worked(), true);
  assert.equal(health.restsUntil("hub"), null);
  assert.equal(admitted(health).worked(), false);
});

test("a probe that learns nothing lets the next one try at once", async () => {
  const { clock, health } = bench();
  admitted(health).failed();
  await clock.advance(1000);
  admitted(health).undecided();
  admitted(health).failed();
  assert.equal(health.restsUntil("hub"), clock.monotonic() + 2000);
});

test("a probe that never ends keeps the others out for a minute, not for ever", async () => {
  const { clock, health } = bench();
  admitted(health).failed();
  await clock.advance(1000);
  admitted(health);
  await clock.advance(59_999);
  assert.equal(health.admit("hub"), null);
  await clock.advance(1);
  admitted(health);
});

test("many attempts that were under way when it died lengthen the pause once", async () => {
  const { clock, health } = bench();
  const trials = Array.from({ length: 20 }, () => admitted(health));
  for (const trial of trials) trial.failed();
  assert.equal(health.restsUntil("hub"), clock.monotonic() + 1000);
});

test("who was not tried because all behind it rests is asked for when they wake", async () => {
  const { clock, health } = bench();
  admitted(health).resting(clock.monotonic() + 7000);
  assert.equal(health.restsUntil("hub"), clock.monotonic() + 7000);
  await clock.advance(7000);
  admitted(health).failed();
  assert.equal(health.restsUntil("hub"), clock.monotonic() + 2000);
});

test("a flood of dead domains is remembered within bounds, the latest of them", () => {
  const { health } = bench();
  for (let i = 0; i < 25_000; i++) health.admit(`d${i}`)?.failed();
  assert.equal(health.resting(), 20_000);
  assert.equal(health.restsUntil("d0"), null);
  assert.notEqual(health.restsUntil("d24999"), null);
});
