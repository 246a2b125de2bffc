import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createLookupScope } from "../../../src/net/resolver.ts";
import type { ConnectFacts } from "../../../src/pipeline/stage.ts";
import { dnsblStage } from "../../../src/stages/dnsbl/dnsbl.ts";
import type { DnsblEvidence } from "../../../src/stages/dnsbl/judge-zones.ts";
import { afterwards } from "../../support/afterwards.ts";
import { dnsblServices } from "../../support/dnsbl-services.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import type { FakeZone } from "../../support/fake-dns.ts";
import { fakedResolver } from "../../support/faked-resolver.ts";

const NIBBLES = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2";

/** Two lists with their test entries. */
const LISTS: FakeZone = {
  "2.0.0.127.bl.test": { A: ["127.0.0.2"] },
  "66.0.0.127.bl.test": {
    A: ["127.0.0.2", "127.0.0.4"],
    TXT: ["Listed \u00e9, see\r\nhttps://bl.test/127.0.0.66", "second"],
  },
  [`${NIBBLES}.bl.test`]: { A: ["127.0.0.2"] },
  "7.0.0.127.bl.test": { A: ["127.0.0.1"] },
  "2.0.0.127.good.test": { A: ["127.0.0.2"] },
  "66.0.0.127.good.test": { A: ["127.0.10.3"] },
};

function facts(ip: string): ConnectFacts {
  return {
    client: { ip, port: 40000 },
    listener: { name: "internet", kind: "internet", hostname: "gw.example.net" },
    receivedAt: 0,
    seed: "seed",
    reports: [],
  };
}

interface Changes {
  readonly queries?: number;
  readonly signal?: AbortSignal;
  readonly options?: object;
}

async function setUp(t: TestContext, zone: FakeZone = LISTS) {
  const clock = createFakeClock();
  afterwards(t, () => assert.equal(clock.pendingTimers(), 0));
  const { dns, resolver } = await fakedResolver(t, zone, clock);
  const { metrics, services } = dnsblServices(t, clock, resolver);
  const run = async (lists: readonly object[], ip = "127.0.0.66", changes: Changes = {}) => {
    const { signal = new AbortController().signal, queries = 50 } = changes;
    const stage = bind({ lists, ...changes.options });
    const view = { ...facts(ip), dns: createLookupScope(signal, queries) };
    const evidence = await stage.observe?.(view, services, signal);
    assert.ok(evidence);
    const { zones } = evidence as unknown as DnsblEvidence;
    return { evidence, zones, verdict: stage.judge(evidence, facts(ip)) };
  };
  return { dns, clock, metrics, zoneHealth: services.zoneHealth, run };
}

function bind(options: object) {
  return dnsblStage.bind(dnsblStage.options.parse(options), { mode: "enforce" });
}

test("a listed client is refused with its address, the zone and the list's own text", async (t) => {
  const { run } = await setUp(t);
  const { verdict, zones } = await run([{ zone: "BL.test", score: 6 }]);
  assert.ok(verdict.kind === "reject");
  assert.equal(verdict.cause, "client-listed");
  const text = "Listed , see https://bl.test/127.0.0.66";
  assert.deepEqual(verdict.about, { client: "127.0.0.66", zone: "bl.test", text });
  assert.deepEqual(verdict.findings, [
    { symbol: "DNSBL_BL_TEST", score: 6, detail: `127.0.0.2 127.0.0.4: ${text}` },
  ]);
  const answers = ["127.0.0.2", "127.0.0.4"];
  assert.deepEqual(zones, [{ zone: "bl.test", status: "listed", answers, text, tookMs: 0 }]);
});

test("a client on no list is asked for once a zone and has no finding", async (t) => {
  const { run, dns } = await setUp(t);
  const { verdict, zones } = await run([{ zone: "bl.test", score: 6 }], "127.0.0.99");
  assert.deepEqual(verdict, { kind: "neutral", findings: [] });
  assert.deepEqual(zones, [{ zone: "bl.test", status: "clean", answers: [], tookMs: 0 }]);
  assert.equal(dns.count("A 99.0.0.127.bl.test"), 1);
  assert.equal(dns.count("TXT"), 0);
});

test("an IPv6 client is asked for by its nibbles", async (t) => {
  const { run } = await setUp(t);
  const { verdict } = await run([{ zone: "bl.test", score: 6 }], "2001:db8::1");
  assert.equal(verdict.kind, "reject");
});

test("a score below the threshold is a finding and no refusal", async (t) => {
  const { run } = await setUp(t);
  const { verdict } = await run([{ zone: "bl.test", score: 5.999 }]);
  assert.equal(verdict.kind, "neutral");
  assert.equal(verdict.findings[0]?.score, 5.999);
});

test("a list's score counts once, however many answers match", async (t) => {
  const { run } = await setUp(t);
  const answers = ["127.0.0.2", "127.0.0.4", "127.0.0.[2..4]"];
  const { verdict } = await run([{ zone: "bl.test", answers, score: 3 }]);
  assert.deepEqual([verdict.kind, verdict.findings[0]?.score], ["neutral", 3]);
});

test("one zone may stand in several lists with other answers; it is asked once", async (t) => {
  const { run, dns } = await setUp(t);
  const { verdict, zones } = await run([
    { zone: "bl.test", answers: ["127.0.0.2"], score: 4 },
    { zone: "bl.test", answers: ["127.0.0.4"], score: 2 },
    { zone: "bl.test", answers: ["127.0.0.10"], score: 100 },
  ]);
  assert.equal(verdict.kind, "reject");
  assert.deepEqual(
    verdict.findings.map(({ score }) => score),
    [6],
  );
  assert.equal(zones.length, 1);
  assert.equal(dns.count("A 66.0.0.127.bl.test"), 1);
});

test("a list of good clients takes away from the sum and tells no text", async (t) => {
  const { run, dns } = await setUp(t);
  const { verdict } = await run([
    { zone: "bl.test", score: 6 },
    { zone: "good.test", answers: ["127.0.[0..255].[0..3]"], score: -2 },
  ]);
  assert.equal(verdict.kind, "neutral");
  assert.deepEqual(
    verdict.findings.map(({ score }) => score),
    [6, -2],
  );
  assert.equal(dns.count("TXT 66.0.0.127.good.test"), 0);
});

test("answers that no filter lets count are kept and do nothing", async (t) => {
  const { run } = await setUp(t);
  const { verdict, zones } = await run([{ zone: "bl.test", score: 6 }], "127.0.0.7");
  assert.deepEqual(verdict, { kind: "neutral", findings: [] });
  assert.deepEqual(zones, [
    { zone: "bl.test", status: "clean", answers: ["127.0.0.1"], tookMs: 0 },
  ]);
});

test("a list that refuses us is an error and never a listing", async (t) => {
  const { run } = await setUp(t, {
    ...LISTS,
    "66.0.0.127.bl.test": { A: ["127.0.0.2", "127.255.255.254"] },
  });
  const { verdict, zones } = await run([
    { zone: "bl.test", answers: ["127.[0..255].[0..255].[0..255]"], score: 6 },
  ]);
  assert.deepEqual(verdict, { kind: "neutral", findings: [] });
  assert.equal(zones[0]?.status, "error");
});

test("a zone that answers outside 127/8 is disabled at once", async (t) => {
  const { run, dns, zoneHealth } = await setUp(t, {
    ...LISTS,
    "66.0.0.127.bl.test": { A: ["192.0.2.80"] },
  });
  const { verdict, zones } = await run([{ zone: "bl.test", score: 6 }]);
  assert.deepEqual(verdict, { kind: "neutral", findings: [] });
  assert.deepEqual([zones[0]?.status, zones[0]?.answers], ["disabled", ["192.0.2.80"]]);
  assert.equal(zoneHealth.zones()[0]?.kind, "disabled");
  const asked = dns.count("A 99.");
  assert.equal(
    (await run([{ zone: "bl.test", score: 6 }], "127.0.0.99")).zones[0]?.status,
    "disabled",
  );
  assert.equal(dns.count("A 99."), asked);
});

test("a zone that lists everybody refuses nobody, not even its first client", async (t) => {
  const { run } = await setUp(t, {
    "1.0.0.127.bl.test": { A: ["127.0.0.2"] },
    "2.0.0.127.bl.test": { A: ["127.0.0.2"] },
    "66.0.0.127.bl.test": { A: ["127.0.0.2"] },
  });
  const { verdict, zones } = await run([{ zone: "bl.test", score: 6 }]);
  assert.deepEqual(verdict, { kind: "neutral", findings: [] });
  assert.equal(zones[0]?.status, "disabled");
  assert.equal(zones[0]?.reason, "127.0.0.1 is listed: it lists everybody");
});

test("a zone without test entries is believed when policy says that it has none", async (t) => {
  const { run } = await setUp(t, { "66.0.0.127.bl.test": { A: ["127.0.0.2"] } });
  const { verdict } = await run([{ zone: "bl.test", score: 6, canary: false }]);
  assert.equal(verdict.kind, "reject");
});

test("a dead zone counts for nothing after the wall, and the others still count", async (t) => {
  const { run, dns, clock } = await setUp(t);
  dns.behave("66.0.0.127.dead.test", "drop");
  dns.onDrop(() => void clock.advance(2000));
  const { verdict, zones } = await run([
    { zone: "dead.test", score: 6 },
    { zone: "bl.test", score: 6 },
  ]);
  assert.equal(verdict.kind, "reject");
  assert.deepEqual(
    zones.map(({ status }) => status),
    ["temporary", "listed"],
  );
});

test("a list that is slower than waitMs counts for nothing", async (t) => {
  const { run, dns, clock } = await setUp(t);
  dns.behave("66.0.0.127.bl.test", "drop");
  dns.onDrop(() => void clock.advance(500));
  const options = { waitMs: 500 };
  const { zones } = await run([{ zone: "bl.test", score: 6 }], "127.0.0.66", { options });
  assert.deepEqual([zones[0]?.status, zones[0]?.tookMs], ["temporary", 500]);
});

test("a used-up budget is temporary and refuses nobody", async (t) => {
  const { run } = await setUp(t);
  const { verdict, zones } = await run([{ zone: "bl.test", score: 6 }], "127.0.0.66", {
    queries: 0,
  });
  assert.equal(verdict.kind, "neutral");
  assert.equal(zones[0]?.status, "temporary");
});

test("the name of a list stands for a zone that holds a key", async (t) => {
  const { run, metrics } = await setUp(t);
  const { verdict } = await run([{ zone: "bl.test", name: "dq.example.net", score: 6 }]);
  assert.ok(verdict.kind === "reject");
  assert.equal(verdict.about?.zone, "dq.example.net");
  assert.equal(verdict.findings[0]?.symbol, "DNSBL_DQ_EXAMPLE_NET");
  const { text } = await metrics.expose();
  assert.match(text, /postern_dnsbl_lookups_total\{zone="dq.example.net",status="listed"\} 1/);
  assert.doesNotMatch(text, /bl\.test/);
});

test("evidence is judged again under the filters and scores of another policy", async (t) => {
  const { run } = await setUp(t);
  const { evidence } = await run([{ zone: "bl.test", answers: ["127.0.0.10"], score: 6 }]);
  const stored = JSON.parse(JSON.stringify(evidence));
  const again = (options: object) => bind(options).judge(stored, facts("127.0.0.66"));
  assert.equal(again({ lists: [{ zone: "bl.test", score: 6 }] }).kind, "reject");
  assert.equal(again({ lists: [{ zone: "bl.test", score: 6 }], rejectAt: null }).kind, "neutral");
  assert.equal(again({ lists: [{ zone: "bl.test", score: 6 }], rejectAt: 7 }).kind, "neutral");
  const unseen = again({ lists: [{ zone: "new.test", score: 6 }] });
  assert.deepEqual(unseen, { kind: "unknown", missing: ["new.test"], findings: [] });
});

test("wrong options are errors", () => {
  const ok = { zone: "bl.test", score: 1 };
  assert.deepEqual(dnsblStage.options.parse({ lists: [ok] }), {
    lists: [{ ...ok, answers: ["127.0.0.[2..254]"], canary: true }],
    rejectAt: 6,
    waitMs: 3000,
    breaker: { factor: 4, baseline: null },
  });
  for (const wrong of [
    { list: [] },
    { lists: [{ ...ok, weight: 3 }] },
    { lists: [{ zone: "bl.test" }] },
    { lists: [{ ...ok, zone: "bl test" }] },
    { lists: [{ ...ok, zone: `${"a".repeat(60)}.`.repeat(4) }] },
    { lists: [{ ...ok, answers: [] }] },
    { lists: [{ ...ok, answers: ["10.0.0.2"] }] },
    { lists: Array.from({ length: 33 }, () => ok) },
    { rejectAt: 0 },
    { waitMs: 50 },
    { waitMs: 3501 },
  ])
    assert.equal(dnsblStage.options.safeParse(wrong).success, false, JSON.stringify(wrong));
});
