import assert from "node:assert/strict";
import { test } from "node:test";
import { Unavailable } from "../../src/base/errors.ts";
import { createLogonFailures } from "../../src/reputation/logon-failures.ts";
import { createMemoryRateCounters } from "../../src/reputation/memory-rate-counters.ts";
import type { RateOwnerOperations } from "../../src/reputation/rate-counters.ts";
import { createRemoteRateCounters } from "../../src/reputation/remote-rate-counters.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { createProcessPair } from "../support/process-pair.ts";

const LIMIT = { capacity: 2, perHour: 1 };

test("of too many keys the one asked for least lately is forgotten", async () => {
  const counters = createMemoryRateCounters(createFakeClock(), 3);
  for (const key of ["hot", "hot", "b", "c"]) await counters.take(key, 1, LIMIT);
  for (let i = 0; i < 1000; i++) {
    assert.equal((await counters.take("hot", 1, LIMIT)).taken, false, `forgotten after ${i}`);
    await counters.take(`made up ${i}`, 1, LIMIT);
  }
  assert.equal((await counters.take("b", 0, LIMIT)).level, 0);
});

test("counters of a process that is gone are unavailable, never empty", async () => {
  const clock = createFakeClock();
  const counters = createMemoryRateCounters(clock);
  const right: RateOwnerOperations = {
    takeRate: ({ key, amount, limit }) => counters.take(key, amount, limit),
  };
  const pair = createProcessPair(clock, { left: {}, right });
  const remote = createRemoteRateCounters(pair.left);
  assert.equal((await remote.take("a", 1, LIMIT)).taken, true);
  pair.cut();
  await assert.rejects(remote.take("a", 1, LIMIT), Unavailable);
});

test("an address may fail twenty times at once, then once a minute; IPv6 counts by its /64", async () => {
  const clock = createFakeClock();
  const failures = createLogonFailures(createMemoryRateCounters(clock));
  for (let i = 0; i < 20; i++) {
    assert.equal(await failures.isBlocked("2001:db8::1"), false, `${i}`);
    await failures.add("2001:db8::1", null);
  }
  assert.equal(await failures.isBlocked("2001:db8::2"), true);
  assert.equal(await failures.isBlocked("2001:db8:0:1::1"), false);
  await clock.advance(60_000);
  assert.equal(await failures.isBlocked("2001:db8::3"), false);
  await failures.add("2001:db8::3", null);
  assert.equal(await failures.isBlocked("2001:db8::3"), true);
});

test("a user whose password fails from many addresses is being guessed at, told once", async () => {
  const failures = createLogonFailures(createMemoryRateCounters(createFakeClock()));
  const told: number[] = [];
  for (let i = 1; i <= 40; i++) {
    const { isGuessed } = await failures.add(`192.0.2.${i}`, i % 2 === 0 ? "alice" : "ALICE");
    if (isGuessed) told.push(i);
    assert.equal((await failures.add(`198.51.100.${i}`, null)).isGuessed, false);
  }
  assert.deepEqual(told, [31]);
});
