import assert from "node:assert/strict";
import { test } from "node:test";
import { createLog } from "../../src/base/log.ts";
import { createMetrics } from "../../src/base/metrics.ts";
import { createRedisBreaker } from "../../src/reputation/redis-breaker.ts";
import { createFakeClock } from "../support/fake-clock.ts";

function openBreaker() {
  const clock = createFakeClock();
  const metrics = createMetrics();
  const events: string[] = [];
  const write = (line: string) => void events.push(String(JSON.parse(line).event));
  const state = { isWell: true, probes: 0 };
  const breaker = createRedisBreaker({
    clock,
    metrics,
    log: createLog({ level: "info", format: "json", write }),
    async probe() {
      state.probes++;
      if (!state.isWell) throw new Error("mute");
    },
  });
  return { clock, metrics, events, state, breaker };
}

test("it stays open until a probe of its own is answered, four a second", async () => {
  const { clock, state, breaker, metrics } = openBreaker();
  assert.equal(breaker.reason(), null);
  state.isWell = false;
  breaker.open("no answer");
  breaker.open("again");
  assert.equal(breaker.reason(), "no answer");
  await clock.advance(10_000);
  assert.equal(state.probes, 40);
  assert.match((await metrics.expose()).text, /^postern_redis_up 0$/m);
  state.isWell = true;
  await clock.advance(250);
  assert.equal(breaker.reason(), null);
  assert.match((await metrics.expose()).text, /^postern_redis_up 1$/m);
  assert.match((await metrics.expose()).text, /^postern_redis_breaker_opens_total 1$/m);
  await clock.advance(10_000);
  assert.equal(state.probes, 41);
});

test("what comes and goes is told now and then, and what lasts always", async () => {
  const { clock, events, state, breaker } = openBreaker();
  for (let i = 0; i < 8; i++) {
    breaker.open("no answer");
    await clock.advance(1000);
  }
  assert.deepEqual(events, ["redis-away", "redis-back"]);
  state.isWell = false;
  breaker.open("no answer");
  await clock.advance(60_000);
  assert.deepEqual(events, ["redis-away", "redis-back", "redis-away"]);
  state.isWell = true;
  await clock.advance(1000);
  assert.equal(events.at(-1), "redis-back");
});

test("when it may be well again it is looked at once; when it is ended nothing is", async () => {
  const { clock, state, breaker } = openBreaker();
  breaker.probeSoon();
  await clock.advance(0);
  assert.equal(state.probes, 0, "it is closed");
  breaker.open("no answer");
  breaker.probeSoon();
  await clock.advance(0);
  assert.equal(breaker.reason(), null);
  breaker.end();
  breaker.open("no answer");
  await clock.advance(10_000);
  assert.equal(state.probes, 1);
  assert.equal(clock.pendingTimers(), 0);
});
