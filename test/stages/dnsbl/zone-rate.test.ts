import assert from "node:assert/strict";
import { test } from "node:test";
import { tooMany, ZoneRate } from "../../../src/stages/dnsbl/zone-rate.ts";
import { createFakeClock, type FakeClock } from "../../support/fake-clock.ts";

const LEARNT = { factor: 4, baseline: null };
const SECOND = 1000;

/** Clients of different networks, `perSecond` of them, of whom a share is listed, spread evenly. */
function traffic(
  clock: FakeClock,
  rate: ZoneRate,
  options: { factor: number; baseline: number | null },
) {
  let client = 0;
  let owed = 0;
  return async (seconds: number, perSecond: number, share: number) => {
    let refused = 0;
    for (let second = 0; second < seconds; second++) {
      for (let i = 0; i < perSecond; i++) {
        client += 1;
        owed += share;
        const isListed = owed >= 1 - 1e-9;
        if (isListed) owed -= 1;
        rate.note(`10.${client}`, isListed);
        if (isListed && rate.demotion(options) === null) refused += 1;
      }
      await clock.advance(SECOND);
    }
    return refused;
  };
}

for (const baseline of [0, 0.02, 0.2, 0.5, 0.7, 0.9])
  test(`a zone that listed ${baseline * 100} % and then everybody is demoted within the minute`, async () => {
    const clock = createFakeClock();
    const rate = new ZoneRate(clock, null);
    const send = traffic(clock, rate, LEARNT);
    await send(300, 10, baseline);
    assert.equal(rate.demotion(LEARNT), null);
    const refused = await send(60, 10, 1);
    assert.notEqual(rate.demotion(LEARNT), null);
    assert.ok(refused < 60 * 10, `${refused} refused`);
    assert.equal(await send(600, 10, 1), 0, "after that minute nobody is refused");
  });

for (const share of [0.02, 0.2, 0.5, 0.7, 0.9])
  test(`a zone that goes on listing ${share * 100} % is believed for days`, async () => {
    const clock = createFakeClock();
    const rate = new ZoneRate(clock, null);
    const send = traffic(clock, rate, LEARNT);
    await send(3600, 2, share);
    assert.equal(rate.demotion(LEARNT), null);
    // Half as many again, as on a bad day.
    await send(600, 2, Math.min(0.95, share * 1.05));
    assert.equal(rate.demotion(LEARNT), null);
  });

test("with little traffic it takes some twenty clients", async () => {
  const clock = createFakeClock();
  const rate = new ZoneRate(clock, { listed: 200, looked: 1000, demoted: null });
  let refused = 0;
  for (let i = 0; i < 100; i++) {
    rate.note(`10.0.0.${i}`, true);
    if (rate.demotion(LEARNT) === null) refused += 1;
    await clock.advance(90 * SECOND);
  }
  assert.equal(refused, 19);
});

test("before its own rate is known a zone is judged by the one that policy names, or not at all", async () => {
  const clock = createFakeClock();
  const rate = new ZoneRate(clock, null);
  for (let i = 0; i < 50; i++) rate.note(`10.0.0.${i}`, true);
  assert.equal(rate.demotion(LEARNT), null);
  assert.match(
    rate.demotion({ factor: 4, baseline: 0.3 }) ?? "",
    /50 of the last 50 clients.* 30 in 100/,
  );
  assert.equal(rate.demotion(null), null, "policy may do without");
});

test("one client that comes again and again is one client", async () => {
  const clock = createFakeClock();
  const rate = new ZoneRate(clock, null);
  const options = { factor: 4, baseline: 0.1 };
  for (let i = 0; i < 30; i++) rate.note(`10.0.0.${i}`, false);
  for (let i = 0; i < 10_000; i++) rate.note("10.1.1.1", true);
  assert.equal(rate.demotion(options), null);
});

test("it is believed again when it lists as usual, but not within a quarter of an hour", async () => {
  const clock = createFakeClock();
  const rate = new ZoneRate(clock, { listed: 400, looked: 2000, demoted: null });
  const send = traffic(clock, rate, LEARNT);
  await send(120, 10, 1);
  assert.notEqual(rate.demotion(LEARNT), null);
  await send(600, 10, 0.2);
  assert.notEqual(rate.demotion(LEARNT), null);
  await send(300, 10, 0.2);
  assert.equal(rate.demotion(LEARNT), null);
});

test("what it does while it is demoted is not its habit, and a restart forgets neither", async () => {
  const clock = createFakeClock();
  const rate = new ZoneRate(clock, { listed: 400, looked: 2000, demoted: null });
  const send = traffic(clock, rate, LEARNT);
  await send(7200, 10, 1);
  const kept = rate.kept();
  assert.ok(kept.listed / kept.looked < 0.5, JSON.stringify(kept));
  const again = new ZoneRate(createFakeClock(), JSON.parse(JSON.stringify(kept)));
  assert.match(again.demotion(LEARNT) ?? "", /of the last \d+ clients/);
});

test("too many is N times the habit where that is little, and N times fewer clean ones where it is much", () => {
  assert.equal(tooMany(0.1, 4), 0.4);
  assert.equal(tooMany(0.8, 4), 1 - 0.2 / 4);
  assert.equal(tooMany(0, 4), 0.2);
  for (const factor of [1.5, 4, 100])
    for (const baseline of [0, 0.3, 0.95]) assert.ok(tooMany(baseline, factor) < 1);
});
