import assert from "node:assert/strict";
import { test } from "node:test";
import { afterwards } from "../support/afterwards.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { SOURCE, toInternet, twoHubs, WAIT_MS, ZONE } from "../support/hub-pair.ts";
import { openRelayBench, toLeg, toTestConnector } from "../support/relay-bench.ts";
import { hubFor, startScriptedHub } from "../support/scripted-hub.ts";
import { mx, toZoneResolver } from "../support/zone-resolver.ts";

test("weights share the mail among equals, and the share of a dead one goes to the others", async (t) => {
  const clock = createFakeClock();
  const [light, heavy] = [await hubFor(t), await hubFor(t)];
  const last = await hubFor(t);
  let step = 0;
  const connectors = [
    toTestConnector({
      hosts: [
        { port: last.port, priority: 1, weight: 100 },
        { port: light.port, priority: 0, weight: 1 },
        { port: heavy.port, priority: 0, weight: 3 },
      ],
      messagesPerConnection: 1,
    }),
  ];
  const random = () => ((step++ % 8) + 0.5) / 8;
  const bench = await openRelayBench(t, { hubs: [], connectors, clock, random });
  const sendOn = async (count: number) => {
    for (let i = 0; i < count; i++) {
      // Only the first draw of a message decides.
      step = i;
      const result = await bench.relay.attempt(toLeg(["a@x.test"]), SOURCE, WAIT_MS);
      assert.equal(result.kind, "answered");
    }
  };
  const counts = () => [light, heavy, last].map((hub) => hub.messages.length);
  await sendOn(16);
  assert.deepEqual(counts(), [4, 12, 0]);
  await heavy.close();
  await sendOn(8);
  assert.deepEqual(counts(), [12, 12, 0]);
  await light.close();
  await sendOn(2);
  assert.deepEqual(counts(), [12, 12, 2]);
});

test("connections are shared by those who meet a server alike, and end after their messages", async (t) => {
  const hub = await hubFor(t);
  const connectors = [
    toTestConnector({ name: "one", domains: ["x.test"], hosts: [hub], messagesPerConnection: 2 }),
    toTestConnector({ name: "same", domains: ["y.test"], hosts: [hub], messagesPerConnection: 2 }),
    toTestConnector({
      name: "other",
      domains: ["z.test"],
      hosts: [hub],
      ehlo: "out.example.org",
      sourceAddresses: ["127.0.0.9"],
    }),
  ];
  const bench = await openRelayBench(t, { hubs: [], connectors });
  for (const domain of ["x.test", "y.test", "z.test", "x.test"])
    await bench.relay.attempt(toLeg([`a@${domain}`]), SOURCE, WAIT_MS);
  assert.deepEqual(hub.clients, ["127.0.0.1", "127.0.0.9", "127.0.0.1"]);
  const names = hub.lines.filter((line) => line.startsWith("EHLO"));
  assert.deepEqual(names, ["EHLO mx.postern.test", "EHLO out.example.org", "EHLO mx.postern.test"]);
  assert.equal(hub.messages.length, 4);
});

test("a server that does for others rests only for the manner in which it failed", async (t) => {
  const clock = createFakeClock();
  const hub = await hubFor(t);
  const tls = { mode: "required", names: [], ca: null, pins: [], identity: null } as const;
  const connectors = [
    toTestConnector({ name: "strict", domains: ["x.test"], hosts: [hub], tls }),
    toTestConnector({ name: "plain", domains: ["y.test"], hosts: [hub] }),
  ];
  const bench = await openRelayBench(t, { hubs: [], connectors, clock });
  const strict = await bench.relay.attempt(toLeg(["a@x.test"]), SOURCE, WAIT_MS);
  assert.equal(strict.kind, "unsent");
  assert.notEqual(bench.relay.restsUntil("strict"), null);
  const plain = await bench.relay.attempt(toLeg(["a@y.test"]), SOURCE, WAIT_MS);
  assert.equal(plain.kind, "answered");
});

test("a server that does not even greet in time rests, and an IPv6 one is written in brackets", async (t) => {
  const clock = createFakeClock();
  const hub = await startScriptedHub({
    host: "::1",
    script: ({ step, count }) => (step === "connect" && count === 1 ? { hang: true } : undefined),
  });
  afterwards(t, () => hub.close());
  const resolver = toZoneResolver({ "MX x.test": [mx(1, "six.test")], "AAAA six.test": ["::1"] });
  const connectors = [toInternet(hub.port)];
  const bench = await openRelayBench(t, { hubs: [], connectors, resolver, clock });
  const attempt = () => bench.relay.attempt(toLeg(["a@x.test"]), SOURCE, WAIT_MS);
  const first = attempt();
  await hub.waitFor(() => hub.count("connect") === 1);
  await clock.advance(WAIT_MS);
  assert.equal((await first).kind, "unsent");
  assert.equal(bench.relay.restsUntil("internet/x.test"), clock.now() + 1000);
  assert.equal((await attempt()).kind, "unsent");
  assert.equal(hub.connections, 1);
  await clock.advance(1000);
  const answer = await attempt();
  assert.ok(answer.kind === "answered");
  assert.equal(answer.hub, `six.test:${hub.port}`);
  assert.equal(answer.hop?.address, "::1");
});

test("a TLS policy may pass a server over, and nothing is sent with less instead", async (t) => {
  const { one, other, port } = await twoHubs(t);
  const told: string[] = [];
  const bench = await openRelayBench(t, {
    hubs: [],
    connectors: [toInternet(port)],
    resolver: toZoneResolver(ZONE),
    tlsPolicy: {
      rule: async ({ host, domain, hasMx }) => {
        told.push(`${domain} ${host} ${hasMx}`);
        if (host === "mx1.test") return { kind: "skip", reason: "its TLSA cannot be looked up" };
        return { kind: "demand", demand: { kind: "required" }, policy: "MTA-STS enforce" };
      },
      ended: ({ host }, _ruling, session) =>
        void told.push(`${host} ${session.kind === "failed" && session.tlsFault}`),
    },
  });
  const result = await bench.relay.attempt(toLeg(["a@x.test"]), SOURCE, WAIT_MS);
  assert.equal(result.kind, "unsent");
  assert.deepEqual(told, ["x.test mx1.test true", "x.test mx2.test true", "mx2.test starttls"]);
  assert.deepEqual([one.connections, other.messages.length], [0, 0]);
});

test("what servers of the internet offer is not known beforehand", async (t) => {
  const connectors = [toInternet(25)];
  const bench = await openRelayBench(t, { hubs: [], connectors });
  assert.deepEqual(bench.relay.offers("x.test"), {
    maxBytes: null,
    eightBitMime: true,
    smtpUtf8: true,
  });
});
