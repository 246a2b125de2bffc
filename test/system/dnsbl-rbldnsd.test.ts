import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { createDnsResolver } from "../../src/net/dns-resolver.ts";
import { createLookupScope } from "../../src/net/resolver.ts";
import type { ConnectFacts } from "../../src/pipeline/stage.ts";
import { dnsblStage } from "../../src/stages/dnsbl/dnsbl.ts";
import type { DnsblEvidence } from "../../src/stages/dnsbl/judge-zones.ts";
import { afterwards } from "../support/afterwards.ts";
import { dnsblServices } from "../support/dnsbl-services.ts";
import { noRbldnsd, startRbldnsd } from "../support/rbldnsd-server.ts";

/** Short, because the paused server costs it twice. */
const TIMEOUT_MS = 300;
const LISTS = [
  { zone: "bl.test", answers: ["127.0.0.[2..11]"], score: 6 },
  { zone: "v6.test", score: 6, canary: false },
  { zone: "everybody.test", score: 6 },
  { zone: "refuses.test", score: 6 },
];

const ZONES = {
  "bl.test": {
    dataset: "ip4set",
    data: "127.0.0.2 :127.0.0.2:Test entry\n127.0.0.66 :127.0.0.4:Listed, see https://bl.test/$",
  },
  "v6.test": { dataset: "ip6trie", data: "2001:db8::/32 :127.0.0.2:Listed, see $" },
  "everybody.test": { dataset: "ip4set", data: "127.0.0.0/8 :127.0.0.2:Shut down" },
  "refuses.test": { dataset: "ip4set", data: "127.0.0.0/8 :127.255.255.254:Limit" },
} as const;

async function setUp(t: TestContext) {
  const server = await startRbldnsd(ZONES);
  const clock = createSystemClock();
  const resolver = createDnsResolver({ clock, servers: [server.address], timeoutMs: TIMEOUT_MS });
  const { services } = dnsblServices(t, clock, resolver);
  afterwards(t, async () => {
    resolver.close();
    await server.stop();
  });
  const stage = dnsblStage.bind(dnsblStage.options.parse({ lists: LISTS }), { mode: "enforce" });
  const judge = async (ip: string) => {
    const facts: ConnectFacts = {
      client: { ip, port: 40000 },
      listener: { name: "internet", kind: "internet", hostname: "gw.example.net" },
      receivedAt: 0,
      seed: "seed",
      reports: [],
    };
    const { signal } = new AbortController();
    const view = { ...facts, dns: createLookupScope(signal) };
    const evidence = await stage.observe?.(view, services, signal);
    assert.ok(evidence);
    const { zones } = evidence as unknown as DnsblEvidence;
    const statuses = Object.fromEntries(zones.map(({ zone, status }) => [zone, status]));
    return { verdict: stage.judge(evidence, facts), statuses };
  };
  return { server, judge };
}

test("a real block list judges clients, and broken ones refuse nobody", {
  skip: noRbldnsd(),
}, async (t) => {
  const { judge } = await setUp(t);
  const listed = await judge("127.0.0.66");
  assert.ok(listed.verdict.kind === "reject");
  assert.deepEqual(listed.verdict.about, {
    client: "127.0.0.66",
    zone: "bl.test",
    text: "Listed, see https://bl.test/127.0.0.66",
  });
  assert.equal(listed.statuses["everybody.test"], "disabled");
  const clean = await judge("127.0.0.67");
  assert.deepEqual(clean.verdict, { kind: "neutral", findings: [] });
  assert.equal(clean.statuses["bl.test"], "clean");
  assert.notEqual(clean.statuses["refuses.test"], "listed");
  assert.equal((await judge("2001:db8::66")).verdict.kind, "reject");
});

test("a block list that stops answering refuses nobody", { skip: noRbldnsd() }, async (t) => {
  const { server, judge } = await setUp(t);
  await judge("127.0.0.67");
  server.pause();
  const { verdict, statuses } = await judge("127.0.0.66");
  server.resume();
  assert.deepEqual(verdict, { kind: "neutral", findings: [] });
  assert.equal(statuses["bl.test"], "temporary");
});
