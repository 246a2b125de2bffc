import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createLog } from "../../../src/base/log.ts";
import { createMetrics } from "../../../src/base/metrics.ts";
import { createDnsResolver } from "../../../src/net/dns-resolver.ts";
import { createZoneHealth } from "../../../src/stages/dnsbl/zone-health.ts";
import type { HealthZone } from "../../../src/stages/dnsbl/zone-watch.ts";
import { afterwards } from "../../support/afterwards.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { type FakeZone, startFakeDns } from "../../support/fake-dns.ts";
import { waitUntil } from "../../support/wait-until.ts";

const ZONE: HealthZone = { zone: "bl.test", label: "bl.test", canary: true };
const HEALTHY: FakeZone = { "2.0.0.127.bl.test": { A: ["127.0.0.2"] } };
const MINUTE_MS = 60_000;

async function setUp(t: TestContext, zone: FakeZone) {
  const dns = await startFakeDns(zone);
  const clock = createFakeClock();
  const resolver = createDnsResolver({ clock, servers: [dns.address] });
  const lines: string[] = [];
  const log = createLog({ level: "info", format: "json", write: (line) => void lines.push(line) });
  const metrics = createMetrics();
  const health = createZoneHealth({ resolver, clock, log, metrics });
  afterwards(t, async () => {
    health.close();
    resolver.close();
    await dns.close();
  });
  const { signal } = new AbortController();
  const canaries = async () => {
    const { text } = await metrics.expose();
    const counts = text.matchAll(/^postern_dnsbl_canaries_total\{.*\} (\d+)$/gm);
    return [...counts].reduce((total, [, count]) => total + Number(count), 0);
  };
  /** Waits until so many canaries are back. */
  const canariesAre = (count: number) =>
    waitUntil(
      () => `fewer than ${count} canaries came back`,
      async () => ((await canaries()) >= count ? true : undefined),
    );
  return { dns, clock, health, metrics, lines, signal, canaries, canariesAre };
}

test("a zone is unproven until its first canary is back", async (t) => {
  const { health, signal, dns } = await setUp(t, HEALTHY);
  assert.equal(health.standing(ZONE).kind, "unproven");
  assert.equal((await health.proven(ZONE, signal)).kind, "healthy");
  assert.deepEqual([...dns.queries].sort(), ["A 1.0.0.127.bl.test udp", "A 2.0.0.127.bl.test udp"]);
});

for (const [what, zone, reason] of [
  ["lists nobody", {}, /127\.0\.0\.2 is not listed/],
  ["lists everybody", { ...HEALTHY, "1.0.0.127.bl.test": { A: ["127.0.0.2"] } }, /127\.0\.0\.1 is/],
  ["refuses us", { "2.0.0.127.bl.test": { A: ["127.255.255.254"] } }, /refuses us/],
  ["is parked", { "2.0.0.127.bl.test": { A: ["192.0.2.80"] } }, /outside 127\/8/],
] as const)
  test(`a zone that ${what} is disabled, and the log says so once`, async (t) => {
    const { health, signal, lines, metrics } = await setUp(t, zone);
    const standing = await health.proven(ZONE, signal);
    assert.ok(standing.kind === "disabled");
    assert.match(standing.reason, reason);
    assert.equal(lines.filter((line) => line.includes("dnsbl-zone-disabled")).length, 1);
    const { text } = await metrics.expose();
    assert.match(text, /postern_dnsbl_canaries_total\{zone="bl.test",result="wrong"\} 1/);
    assert.match(text, /postern_dnsbl_zones_disabled 1/);
  });

test("nobody waits for a canary longer than his signal", async (t) => {
  const { health, dns } = await setUp(t, HEALTHY);
  dns.behave("2.0.0.127.bl.test", "drop");
  const leaving = new AbortController();
  const waiting = health.proven(ZONE, leaving.signal);
  leaving.abort(new Error("client left"));
  assert.equal((await waiting).kind, "unproven");
});

test("a silent zone is disabled, asked again after a minute, and comes back", async (t) => {
  const { health, dns, clock, lines, signal, canariesAre } = await setUp(t, HEALTHY);
  dns.behave("2.0.0.127.bl.test", "drop", "drop", "answer");
  dns.onDrop(() => void clock.advance(2000));
  assert.equal((await health.proven(ZONE, signal)).kind, "disabled");
  await clock.advance(MINUTE_MS);
  await canariesAre(2);
  assert.equal(health.standing(ZONE).kind, "healthy");
  assert.ok(lines.some((line) => line.includes("dnsbl-zone-enabled")));
});

test("a wrong zone is asked again after 15 minutes, past the cache", async (t) => {
  const { health, dns, clock, signal, canaries, canariesAre } = await setUp(t, {});
  assert.equal((await health.proven(ZONE, signal)).kind, "disabled");
  dns.setZone(HEALTHY);
  await clock.advance(14 * MINUTE_MS);
  assert.equal(await canaries(), 1);
  await clock.advance(MINUTE_MS);
  await canariesAre(2);
  assert.equal(health.standing(ZONE).kind, "healthy");
});

test("a healthy zone is asked every 15 minutes and noticed when it dies", async (t) => {
  const { health, dns, clock, signal, canariesAre } = await setUp(t, HEALTHY);
  await health.proven(ZONE, signal);
  dns.setZone({});
  await clock.advance(15 * MINUTE_MS);
  await canariesAre(2);
  assert.equal(health.standing(ZONE).kind, "disabled");
});

test("trouble brings the canary forward, but at most once a minute", async (t) => {
  const { health, dns, clock, signal, canaries, canariesAre } = await setUp(t, HEALTHY);
  await health.proven(ZONE, signal);
  health.record(ZONE, "temporary");
  await clock.advance(MINUTE_MS);
  for (let i = 0; i < 10; i++) health.record(ZONE, "error");
  await canariesAre(2);
  assert.equal(await canaries(), 2);
  assert.equal(dns.queries.length, 4);
});

test("a canary that was under way does not bring a parked zone back", async (t) => {
  const { health, clock, signal, canaries, canariesAre } = await setUp(t, HEALTHY);
  assert.equal(health.standing(ZONE).kind, "unproven");
  const waiting = health.proven(ZONE, signal);
  health.record(ZONE, "hijacked", "answers 192.0.2.80, outside 127/8");
  assert.equal((await waiting).kind, "disabled");
  assert.equal(await canaries(), 0);
  await clock.advance(15 * MINUTE_MS);
  await canariesAre(1);
  assert.equal(health.standing(ZONE).kind, "healthy");
});

test("a zone that nobody uses any more is forgotten", async (t) => {
  const { health, clock, signal, canariesAre } = await setUp(t, HEALTHY);
  await health.proven(ZONE, signal);
  for (const canary of [2, 3, 4]) {
    await clock.advance(15 * MINUTE_MS);
    await canariesAre(canary);
  }
  assert.equal(health.zones().length, 1);
  await clock.advance(15 * MINUTE_MS);
  assert.equal(health.zones().length, 0);
  assert.equal(health.standing(ZONE).kind, "unproven");
});

test("after close there is no canary and no timer", async (t) => {
  const { health, clock, dns } = await setUp(t, HEALTHY);
  dns.behave("2.0.0.127.bl.test", "drop");
  health.standing(ZONE);
  health.close();
  await clock.advance(60 * MINUTE_MS);
  assert.equal(clock.pendingTimers(), 0);
  assert.deepEqual(health.zones(), []);
});
