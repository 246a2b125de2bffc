import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createLog } from "../../../src/base/log.ts";
import { createMetrics } from "../../../src/base/metrics.ts";
import {
  type DnsblOptions,
  dnsblOptions,
  groupByZone,
} from "../../../src/stages/dnsbl/dnsbl-options.ts";
import { judgeZones } from "../../../src/stages/dnsbl/judge-zones.ts";
import type { ZoneEvidence } from "../../../src/stages/dnsbl/query-zones.ts";
import { createFileRateStore } from "../../../src/stages/dnsbl/rate-store.ts";
import { createZoneRates } from "../../../src/stages/dnsbl/zone-rates.ts";
import { afterwards } from "../../support/afterwards.ts";
import { createFakeClock } from "../../support/fake-clock.ts";

const OPTIONS = dnsblOptions.parse({
  lists: [
    { zone: "wild.test", score: 6 },
    { zone: "calm.test", score: 6 },
    { zone: "good.test", score: -3 },
  ],
  breaker: { baseline: 0.1 },
});

type Listed = readonly ("wild.test" | "calm.test" | "good.test")[];

const toEvidence = (listed: Listed): readonly ZoneEvidence[] =>
  (["wild.test", "calm.test", "good.test"] as const).map((zone) =>
    listed.includes(zone)
      ? { zone, status: "listed", answers: ["127.0.0.2"] }
      : { zone, status: "clean", answers: [] },
  );

async function open(t: TestContext, path?: string) {
  const folder = await mkdtemp(join(tmpdir(), "postern-rates-"));
  const file = path ?? join(folder, "dnsbl-rates.json");
  const clock = createFakeClock();
  const metrics = createMetrics();
  const lines: string[] = [];
  const log = createLog({ level: "info", format: "json", write: (line) => void lines.push(line) });
  const rates = createZoneRates({ clock, log, metrics, store: createFileRateStore(file) });
  afterwards(t, async () => {
    await rates.close();
    await rm(folder, { recursive: true, force: true });
  });
  let client = 0;
  const see = async (listed: Listed, options: DnsblOptions = OPTIONS) => {
    client += 1;
    const ip = `10.${client >> 16}.${(client >> 8) & 255}.${client & 255}`;
    const zones = await rates.weigh(ip, groupByZone(options), toEvidence(listed), options.breaker);
    return { zones, verdict: judgeZones({ client: ip, zones }, options) };
  };
  const events = (name: string) => lines.filter((line) => line.includes(`"${name}"`));
  return { rates, see, clock, metrics, events, lines, file };
}

test("a list that begins to list everybody soon refuses nobody, with one alert, and still counts as a score", async (t) => {
  const { see, events, metrics } = await open(t);
  for (let i = 0; i < 100; i++) await see([]);
  let refused = 0;
  for (let i = 0; i < 500; i++)
    if ((await see(["wild.test"])).verdict.kind === "reject") refused += 1;
  assert.ok(refused < 80, `${refused} refused`);
  const { verdict, zones } = await see(["wild.test"]);
  assert.equal(verdict.kind, "neutral");
  assert.equal(verdict.findings[0]?.score, 6);
  assert.match(verdict.findings[0]?.detail ?? "", /refuses nobody: it lists \d+ of the last \d+/);
  assert.match(zones[0]?.demoted ?? "", /by habit 10 in 100/);
  assert.equal(events("dnsbl-zone-demoted").length, 1);
  assert.match((await metrics.expose()).text, /postern_dnsbl_zones_demoted 1/);
});

test("other lists refuse as before while one is demoted", async (t) => {
  const { see } = await open(t);
  for (let i = 0; i < 200; i++) await see(["wild.test"]);
  assert.equal((await see(["wild.test"])).verdict.kind, "neutral");
  const { verdict } = await see(["wild.test", "calm.test"]);
  assert.ok(verdict.kind === "reject");
  assert.equal(verdict.about?.zone, "calm.test", "the reply names a list that is believed");
});

test("a wave of spam that several lists know demotes none of them", async (t) => {
  const { see, events } = await open(t);
  for (let i = 0; i < 500; i++)
    assert.equal((await see(["wild.test", "calm.test"])).verdict.kind, "reject");
  assert.deepEqual(events("dnsbl-zone-demoted"), []);
});

test("a list of good clients that names everybody vouches for nobody", async (t) => {
  const { see } = await open(t);
  assert.equal((await see(["calm.test", "good.test"])).verdict.kind, "neutral");
  for (let i = 0; i < 200; i++) await see(["good.test"]);
  const { verdict } = await see(["calm.test", "good.test"]);
  assert.equal(verdict.kind, "reject");
  assert.deepEqual(
    verdict.findings.map(({ score }) => score),
    [6, 0],
  );
});

test("a policy without the breaker judges the same evidence without it", async (t) => {
  const { see } = await open(t);
  for (let i = 0; i < 200; i++) await see(["wild.test"]);
  const { zones } = await see(["wild.test"]);
  assert.ok(zones[0]?.demoted);
  const without = { ...OPTIONS, breaker: null };
  assert.equal(judgeZones({ client: "10.0.0.1", zones }, without).kind, "reject");
  assert.equal((await see(["wild.test"], without)).zones[0]?.demoted, undefined);
});

test("a gateway that is started again while a list is wild does not believe it", async (t) => {
  const first = await open(t);
  for (let i = 0; i < 200; i++) await first.see(["wild.test"]);
  await first.rates.close();
  const second = await open(t, first.file);
  const { verdict } = await second.see(["wild.test"]);
  assert.equal(verdict.kind, "neutral");
  assert.deepEqual(JSON.parse(await readFile(first.file, "utf8"))["calm.test"].demoted, null);
});

test("a file that is none of ours is told of, and mail goes on", async (t) => {
  const { see, file, events } = await open(t);
  await writeFile(file, '{"wild.test": {"listed": "many"}}');
  assert.equal((await see(["wild.test"])).verdict.kind, "reject");
  assert.equal(events("dnsbl-rates-unreadable").length, 1);
});

test("wrong options of the breaker are errors", () => {
  for (const breaker of [
    { factor: 1 },
    { factor: 101 },
    { baseline: 1 },
    { baseline: -0.1 },
    { n: 4 },
  ])
    assert.equal(dnsblOptions.safeParse({ breaker }).success, false, JSON.stringify(breaker));
  assert.deepEqual(dnsblOptions.parse({}).breaker, { factor: 4, baseline: null });
  assert.equal(dnsblOptions.parse({ breaker: null }).breaker, null);
});
