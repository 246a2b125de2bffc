import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createLog } from "../../../src/base/log.ts";
import { createMetrics } from "../../../src/base/metrics.ts";
import { dnsblOptions, groupByZone } from "../../../src/stages/dnsbl/dnsbl-options.ts";
import type { ZoneEvidence } from "../../../src/stages/dnsbl/query-zones.ts";
import { createNoRateStore } from "../../../src/stages/dnsbl/rate-store.ts";
import { createRemoteZoneRates } from "../../../src/stages/dnsbl/remote-zone-rates.ts";
import type { ZoneNotes } from "../../../src/stages/dnsbl/zone-notes.ts";
import { createZoneRates } from "../../../src/stages/dnsbl/zone-rates.ts";
import { afterwards } from "../../support/afterwards.ts";
import { createFakeClock } from "../../support/fake-clock.ts";

const OPTIONS = dnsblOptions.parse({
  lists: [{ zone: "wild.test", score: 6 }],
  breaker: { baseline: 0.1 },
});
const LISTED: readonly ZoneEvidence[] = [
  { zone: "wild.test", status: "listed", answers: ["127.0.0.2"] },
];
const CLEAN: readonly ZoneEvidence[] = [{ zone: "wild.test", status: "clean", answers: [] }];

/** Two gateway processes and the one that keeps the rates. */
async function setUp(t: TestContext) {
  const clock = createFakeClock();
  const lines: string[] = [];
  const log = createLog({ level: "info", format: "json", write: (line) => void lines.push(line) });
  const keeper = createZoneRates({
    clock,
    log,
    metrics: createMetrics(),
    store: createNoRateStore(),
  });
  const told: ZoneNotes[] = [];
  let isAway = false;
  const owner = {
    async call(_operation: string, input: unknown) {
      if (isAway) throw new Error("gone");
      told.push(input as ZoneNotes);
      return keeper.take(input as ZoneNotes);
    },
  } as unknown as Parameters<typeof createRemoteZoneRates>[0]["owner"];
  const open = () => createRemoteZoneRates({ owner, clock, log });
  const gateways = [open(), open()];
  afterwards(t, async () => {
    await Promise.all([keeper, ...gateways].map((one) => one.close()));
    assert.equal(clock.pendingTimers(), 0);
  });
  let client = 0;
  const see = async (evidence: readonly ZoneEvidence[], by = gateways[client % 2]!) => {
    client += 1;
    const ip = `10.0.${client >> 8}.${client & 255}`;
    const [zone] = await by.weigh(ip, groupByZone(OPTIONS), evidence, OPTIONS.breaker);
    return zone?.demoted ?? null;
  };
  const goAway = (away: boolean) => {
    isAway = away;
  };
  return { clock, see, told, open, lines, goAway };
}

test("two processes find out together, with their next word, what neither saw enough of", async (t) => {
  const { clock, see, lines } = await setUp(t);
  for (let i = 0; i < 12; i++) await see(CLEAN);
  for (let i = 0; i < 10; i++) assert.equal(await see(LISTED), null);
  await clock.advance(1000);
  // Who told first learns with his next clients what came of those of the second.
  await see(LISTED);
  await see(LISTED);
  await clock.advance(1000);
  for (let i = 0; i < 2; i++)
    assert.match(
      (await see(LISTED)) ?? "",
      /it lists \d+ of the last 2\d clients, by habit 10 in 100/,
    );
  assert.equal(lines.filter((line) => line.includes('"dnsbl-zone-demoted"')).length, 1);
});

test("a process that comes later knows it from its first client on", async (t) => {
  const { clock, see, open } = await setUp(t);
  for (let i = 0; i < 30; i++) await see(LISTED);
  await clock.advance(1000);
  const late = open();
  assert.notEqual(await see(LISTED, late), null);
  await late.close();
});

test("clients are told of once a second, and what was known holds while nobody answers", async (t) => {
  const { clock, see, told, lines, goAway } = await setUp(t);
  for (let i = 0; i < 30; i++) await see(LISTED);
  const before = told.length;
  await clock.advance(1000);
  assert.equal(told.length - before, 2);
  await see(LISTED);
  await see(LISTED);
  await clock.advance(1000);
  goAway(true);
  assert.notEqual(await see(LISTED), null);
  await clock.advance(1000);
  assert.notEqual(await see(LISTED), null);
  assert.ok(lines.some((line) => line.includes("dnsbl-rates-not-told")));
});

test("without a breaker nobody is told of anything", async (t) => {
  const { told, open } = await setUp(t);
  const rates = open();
  assert.equal(await rates.weigh("192.0.2.1", groupByZone(OPTIONS), LISTED, null), LISTED);
  assert.equal(told.length, 0);
});
