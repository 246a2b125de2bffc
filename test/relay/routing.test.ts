import assert from "node:assert/strict";
import { test } from "node:test";
import { toDomains } from "../../src/policy/domains.ts";
import { toRouting, withPostmaster } from "../../src/policy/routing.ts";
import { destinationOf, groupByRoute } from "../../src/relay/hubs/destination.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { NEVER, SOURCE, toInternet, twoHubs, WAIT_MS, ZONE } from "../support/hub-pair.ts";
import { openRelayBench, toLeg, toTestConnector } from "../support/relay-bench.ts";
import { hubFor, startScriptedHub } from "../support/scripted-hub.ts";
import { toAddress, toSpoolItem } from "../support/spool-item.ts";
import { mx, toZoneResolver } from "../support/zone-resolver.ts";

test("a domain's mail goes to its best server, and to the next one when that is down", async (t) => {
  const { one, other, port } = await twoHubs(t);
  const resolver = toZoneResolver(ZONE);
  const bench = await openRelayBench(t, { hubs: [], connectors: [toInternet(port)], resolver });
  const attempt = () => bench.relay.attempt(toLeg(["a@x.test"]), SOURCE, WAIT_MS);
  const first = await attempt();
  assert.ok(first.kind === "answered");
  assert.equal(first.hub, `mx1.test:${port}`);
  await one.close();
  // The idle connection to the first is found dead, then that it is down.
  const second = await attempt();
  assert.ok(second.kind === "answered");
  assert.equal(second.hub, `mx2.test:${port}`);
  assert.deepEqual([one.messages.length, other.messages.length], [1, 1]);
  const [fact, next] = bench.facts;
  assert.ok(fact?.kind === "delivered" && next?.kind === "delivered");
  assert.deepEqual([fact.hub, fact.address, fact.tls], [`mx1.test:${port}`, "127.0.0.2", null]);
  assert.equal(next.address, "127.0.0.3");
});

test("domains are destinations of their own, and one server carries the mail of both", async (t) => {
  const { one, other, port } = await twoHubs(t);
  const routing = toRouting([toInternet(port)]);
  const recipients = ["a@x.test", "b@y.test", "c@x.test"].map((spoken) => ({
    address: toAddress(spoken),
  }));
  const groups = groupByRoute(recipients, routing).map((group) =>
    group.map(({ address }) => address.spoken),
  );
  assert.deepEqual(groups, [["a@x.test", "c@x.test"], ["b@y.test"]]);
  assert.equal(destinationOf(routing, "x.test")?.key, "internet/x.test");
  const resolver = toZoneResolver({ ...ZONE, "MX x.test": [mx(1, "mx2.test")] });
  const bench = await openRelayBench(t, { hubs: [], connectors: [toInternet(port)], resolver });
  for (const to of ["a@x.test", "b@y.test"])
    await bench.relay.attempt(toLeg([to]), SOURCE, WAIT_MS);
  assert.equal(one.connections, 0);
  assert.deepEqual([other.connections, other.messages.length], [1, 2]);
});

test("what DNS rules out is refused for good, in our words; what it cannot say is for later", async (t) => {
  const resolver = toZoneResolver(ZONE);
  const bench = await openRelayBench(t, { hubs: [], connectors: [toInternet(25)], resolver });
  for (const [domain, code, status] of [
    ["no.test", 556, "5.1.10"],
    ["gone.test", 550, "5.1.2"],
  ] as const) {
    const leg = toLeg([`a@${domain}`, `b@${domain}`]);
    const result = await bench.relay.attempt(leg, SOURCE, WAIT_MS);
    assert.ok(result.kind === "answered");
    assert.equal(result.hub, null);
    const fates = result.fates.map(({ kind, reply }) => [kind, reply.code, reply.status]);
    assert.deepEqual(fates, [
      ["refused", code, status],
      ["refused", code, status],
    ]);
  }
  const slow = await bench.relay.attempt(toLeg(["a@slow.test"]), SOURCE, WAIT_MS);
  assert.ok(slow.kind === "unsent");
  assert.match(slow.reason, /SERVFAIL/);
  assert.deepEqual(
    bench.facts.map(({ kind }) => kind),
    ["refused", "refused"],
  );
  const probe = await bench.relay.probe(toAddress("a@no.test"), NEVER);
  assert.equal(probe.kind, "refused");
  assert.match(probe.reply ?? "", /^556 5\.1\.10 /);
});

test("a spooled message that can never be delivered is settled once and not retried", async (t) => {
  const clock = createFakeClock();
  const asked: string[] = [];
  const resolver = toZoneResolver(ZONE, asked);
  const connectors = [toInternet(25)];
  const bench = await openRelayBench(t, { hubs: [], connectors, resolver, clock });
  await bench.spool.add(toSpoolItem(clock, ["a@no.test"]), SOURCE);
  bench.relay.start();
  await bench.pass(() => bench.spool.list().length === 0);
  assert.deepEqual(asked, ["MX no.test"]);
  assert.equal(bench.holds[0]?.cause, "undeliverable");
  assert.match(bench.holds[0]?.detail ?? "", /556 5\.1\.10/);
});

test("a dead destination is tried once for all of its mail, and known to be well after one probe", async (t) => {
  const clock = createFakeClock();
  const hub = await hubFor(t, {
    script: ({ step, count }) =>
      step === "connect" && count === 1 ? { drop: true, reply: "421 4.3.2 no" } : undefined,
  });
  const bench = await openRelayBench(t, { hubs: [hub], clock });
  const attempt = () => bench.relay.attempt(toLeg(["a@x.test"]), SOURCE, WAIT_MS);
  assert.equal(bench.relay.restsUntil("hub"), null);
  await attempt();
  assert.equal(bench.relay.restsUntil("hub"), clock.now() + 1000);
  for (let i = 0; i < 100; i++) assert.equal((await attempt()).kind, "unsent");
  assert.equal(hub.connections, 1);
  await clock.advance(1000);
  assert.equal(bench.relay.restsUntil("hub"), null);
  const probe = attempt();
  assert.notEqual(bench.relay.restsUntil("hub"), null);
  assert.equal((await attempt()).kind, "unsent");
  assert.equal((await probe).kind, "answered");
  assert.equal(bench.relay.restsUntil("hub"), null);
  assert.equal(hub.messages.length, 1);
});

test("a destination all of whose servers rest is not tried before one of them wakes", async (t) => {
  const clock = createFakeClock();
  const dead = await startScriptedHub();
  await dead.close();
  const connectors = [
    toTestConnector({ name: "one", domains: ["x.test"], hosts: [dead] }),
    toTestConnector({ name: "two", domains: ["y.test"], hosts: [dead], cost: 2 }),
  ];
  const bench = await openRelayBench(t, { hubs: [], connectors, clock });
  await bench.relay.attempt(toLeg(["a@x.test"]), SOURCE, WAIT_MS);
  const other = await bench.relay.attempt(toLeg(["a@y.test"]), SOURCE, WAIT_MS);
  // The memory of a failure is shared by connectors.
  assert.ok(other.kind === "unsent");
  const rests = new RegExp(
    `^every hub failed a moment ago: 127.0.0.1:${dead.port}: .*ECONNREFUSED`,
  );
  assert.match(other.reason, rests);
  const again = await bench.relay.attempt(toLeg(["a@y.test"]), SOURCE, WAIT_MS);
  assert.ok(again.kind === "unsent");
  assert.equal(again.reason, other.reason);
  assert.equal(bench.relay.restsUntil("two"), clock.now() + 1000);
});

test("what shares a server with a destination that probes it waits no longer than the probe", async (t) => {
  const clock = createFakeClock();
  const answer = Promise.withResolvers<string>();
  const hub = await hubFor(t, {
    script: ({ step, count }) => {
      if (step !== "connect") return undefined;
      return count === 1 ? { drop: true, reply: "421 4.3.2 no" } : answer.promise;
    },
  });
  const connectors = [
    toTestConnector({ name: "one", domains: ["x.test"], hosts: [hub] }),
    toTestConnector({ name: "two", domains: ["y.test"], hosts: [hub] }),
  ];
  const bench = await openRelayBench(t, { hubs: [], connectors, clock });
  const attempt = (to: string) => bench.relay.attempt(toLeg([to]), SOURCE, WAIT_MS);
  await attempt("a@x.test");
  await clock.advance(1000);
  const probe = attempt("a@x.test");
  await hub.waitFor(() => hub.connections === 2);
  assert.equal((await attempt("a@y.test")).kind, "unsent");
  answer.resolve("220 back");
  assert.equal((await probe).kind, "answered");
  await clock.advance(1000);
  assert.equal(bench.relay.restsUntil("two"), null);
  assert.equal((await attempt("a@y.test")).kind, "answered");
});

test("of two ways to a domain the cheaper one is taken, whatever their order", async (t) => {
  const [dear, cheap] = [await hubFor(t), await hubFor(t)];
  const connectors = [
    toTestConnector({ name: "dear", domains: ["x.test"], cost: 20, hosts: [dear] }),
    toTestConnector({ name: "cheap", domains: ["x.test"], cost: 10, hosts: [cheap] }),
  ];
  const bench = await openRelayBench(t, { hubs: [], connectors });
  await bench.relay.attempt(toLeg(["a@x.test"]), SOURCE, WAIT_MS);
  assert.deepEqual([dear.connections, cheap.messages.length], [0, 1]);
});

test("while no server of the cheaper way can be reached the dearer one has the mail", async (t) => {
  const clock = createFakeClock();
  const [cheap, dear] = [
    await hubFor(t, {
      script: ({ connection }) => (connection === 1 ? { drop: true } : undefined),
    }),
    await hubFor(t),
  ];
  const connectors = [
    toTestConnector({ name: "dear", domains: ["x.test"], cost: 20, hosts: [dear] }),
    toTestConnector({ name: "cheap", domains: ["x.test"], cost: 10, hosts: [cheap] }),
  ];
  const bench = await openRelayBench(t, { hubs: [], connectors, clock });
  const passedOver = async () => {
    const result = await bench.relay.attempt(toLeg(["a@x.test"]), SOURCE, WAIT_MS);
    assert.ok(result.kind === "answered");
    return result.hop?.passedOver;
  };
  const hub = `127.0.0.1:${cheap.port}`;
  const [lost] = (await passedOver()) ?? [];
  assert.equal(lost?.hub, hub);
  assert.match(lost?.reason ?? "", /closed/);
  const reason = `it failed a moment ago: ${lost?.reason}`;
  assert.deepEqual(await passedOver(), [{ hub, reason }]);
  assert.deepEqual([cheap.connections, dear.messages.length], [1, 2]);
  assert.equal(bench.relay.restsUntil("cheap or dear"), null);
  await clock.advance(1000);
  assert.equal(await passedOver(), undefined);
  assert.deepEqual([cheap.messages.length, dear.messages.length], [1, 2]);
});

test("a dearer way never refuses mail for good that the cheaper one may take later", async (t) => {
  const dead = await startScriptedHub();
  await dead.close();
  const connectors = [
    toTestConnector({ name: "cheap", domains: ["no.test"], cost: 10, hosts: [dead] }),
    { ...toInternet(25), name: "dear", domains: ["no.test"], cost: 20 },
  ];
  const resolver = toZoneResolver(ZONE);
  const bench = await openRelayBench(t, { hubs: [], connectors, resolver });
  const result = await bench.relay.attempt(toLeg(["a@no.test"]), SOURCE, WAIT_MS);
  assert.ok(result.kind === "unsent");
  assert.match(result.reason, /^dear: 556 5\.1\.10 /);
  assert.deepEqual(
    result.hop?.passedOver?.map(({ hub }) => hub),
    [`127.0.0.1:${dead.port}`],
  );
});

test("the bare postmaster goes where our first domain with smarthosts goes", () => {
  const home = toTestConnector({ name: "home", domains: ["b.test"] });
  const routing = toRouting([toInternet(25), home]);
  const recipients = { kind: "any" } as const;
  const shared = { type: "authoritative", recipients, ack: "hub", lineEndings: "refuse" } as const;
  const domains = toDomains([
    { ...shared, name: "a.test" },
    { ...shared, name: "b.test" },
  ]);
  assert.equal(withPostmaster(routing, domains).route("")?.name, "home");
});
