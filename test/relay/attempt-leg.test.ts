import assert from "node:assert/strict";
import { test } from "node:test";
import { toBytesSource } from "../support/bytes-source.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { kindsOf, openRelayBench, toLeg } from "../support/relay-bench.ts";
import { type HubAction, hubFor, startScriptedHub } from "../support/scripted-hub.ts";

const WAIT_MS = 5000;
const SOURCE = toBytesSource("Subject: x\r\n\r\nbody\r\n");

/** A port where nobody listens. */
async function deadHub(): Promise<{ port: number }> {
  const hub = await startScriptedHub();
  await hub.close();
  return hub;
}

function at(step: string, action: HubAction) {
  return (event: { step: string }) => (event.step === step ? action : undefined);
}

test("each recipient's fate comes back in order, and is told as a fact", async (t) => {
  const hub = await hubFor(t, {
    script: ({ step, line }) =>
      step === "rcpt" && line.includes("no@") ? "550 5.1.1 unknown" : undefined,
  });
  const bench = await openRelayBench(t, { hubs: [hub] });
  const leg = toLeg(["a@x.test", "no@x.test", "b@x.test"]);
  const result = await bench.relay.attempt(leg, SOURCE, WAIT_MS);
  assert.ok(result.kind === "answered");
  assert.deepEqual(kindsOf(result.fates), ["accepted 250", "refused 550", "accepted 250"]);
  assert.equal(result.hub, `127.0.0.1:${hub.port}`);
  const told = bench.facts.map((fact) => [fact.kind, "recipients" in fact && fact.recipients]);
  assert.deepEqual(told, [
    ["delivered", ["a@x.test", "b@x.test"]],
    ["refused", ["no@x.test"]],
  ]);
});

test("a hub that refuses the connection, says 421 or 4xx is passed over for the next", async (t) => {
  for (const first of [
    await deadHub(),
    await hubFor(t, { script: at("connect", { drop: true, reply: "421 4.3.2 busy" }) }),
    await hubFor(t, { script: at("connect", { drop: true, reply: "451 4.3.0 no" }) }),
    await hubFor(t, { script: at("connect", { drop: true }) }),
    await hubFor(t, { script: at("mail", { drop: true, reply: "421 4.3.2 busy" }) }),
    await hubFor(t, { script: at("data", { drop: true }) }),
  ]) {
    const second = await hubFor(t);
    const bench = await openRelayBench(t, { hubs: [first, second] });
    const result = await bench.relay.attempt(toLeg(["a@x.test"]), SOURCE, WAIT_MS);
    assert.ok(result.kind === "answered", JSON.stringify(result));
    assert.equal(result.hub, `127.0.0.1:${second.port}`);
    assert.equal(second.messages.length, 1);
  }
});

test("a hub that answers 4xx has answered: no other hub is asked", async (t) => {
  const first = await hubFor(t, { script: at("rcpt", "450 4.2.0 later") });
  const second = await hubFor(t);
  const bench = await openRelayBench(t, { hubs: [first, second] });
  const result = await bench.relay.attempt(toLeg(["a@x.test"]), SOURCE, WAIT_MS);
  assert.ok(result.kind === "answered");
  assert.deepEqual(kindsOf(result.fates), ["later 450"]);
  assert.equal(second.connections, 0);
});

test("a recipient without a route and a hub that is down are unsent, never thrown", async (t) => {
  const bench = await openRelayBench(t, { hubs: [await deadHub()] });
  const nowhere = await bench.relay.attempt(toLeg(["a@nowhere.test"]), SOURCE, WAIT_MS);
  assert.equal(nowhere.kind, "unsent");
  const down = await bench.relay.attempt(toLeg(["a@x.test"]), SOURCE, WAIT_MS);
  assert.ok(down.kind === "unsent");
  assert.match(down.reason, /ECONNREFUSED/);
});

test("a dead hub costs one message its wait, the next is told at once, until it is back", async (t) => {
  const clock = createFakeClock();
  const hub = await hubFor(t, {
    script: ({ step, count }) =>
      step === "connect" && count <= 2 ? { drop: true, reply: "421 no" } : undefined,
  });
  const bench = await openRelayBench(t, { hubs: [hub], clock });
  const attempt = () => bench.relay.attempt(toLeg(["a@x.test"]), SOURCE, WAIT_MS);
  assert.equal((await attempt()).kind, "unsent");
  assert.equal((await attempt()).kind, "unsent");
  assert.equal(hub.connections, 1);
  await clock.advance(1000);
  assert.equal((await attempt()).kind, "unsent");
  assert.equal(hub.connections, 2);
  await clock.advance(1000);
  assert.equal((await attempt()).kind, "unsent");
  assert.equal(hub.connections, 2);
  await clock.advance(1000);
  assert.equal((await attempt()).kind, "answered");
  assert.equal((await attempt()).kind, "answered");
});

test("when the wait is over before the dot nothing was and nothing will be handed over", async (t) => {
  for (const step of ["connect", "ehlo", "mail", "rcpt", "data"] as const) {
    const clock = createFakeClock();
    const hub = await hubFor(t, { script: at(step, { hang: true }) });
    const bench = await openRelayBench(t, { hubs: [hub], clock });
    const attempt = bench.relay.attempt(toLeg(["a@x.test"]), SOURCE, 20_000);
    await hub.waitFor(() => hub.count(step) === 1);
    await clock.advance(20_000);
    assert.equal((await attempt).kind, "unsent", step);
    await hub.waitFor(() => hub.openConnections() === 0);
    assert.equal(hub.messages.length, 0);
  }
});

test("an attempt whose dot is sent is never abandoned", async (t) => {
  const clock = createFakeClock();
  const answer = Promise.withResolvers<string>();
  const hub = await hubFor(t, {
    script: ({ step }) => (step === "dot" ? answer.promise : undefined),
  });
  const bench = await openRelayBench(t, { hubs: [hub], clock });
  const attempt = bench.relay.attempt(toLeg(["a@x.test"]), SOURCE, 20_000);
  await hub.waitFor(() => hub.count("dot") === 1);
  await clock.advance(20_000);
  const result = await attempt;
  assert.ok(result.kind === "pending");
  answer.resolve("250 2.0.0 at last");
  assert.deepEqual((await result.settled).kind, "answered");
  assert.deepEqual(
    bench.facts.map((fact) => fact.kind),
    ["deferred", "delivered"],
  );
});

test("a connection cut after the dot is pending with an uncertain end", async (t) => {
  const hub = await hubFor(t, { script: at("dot", { drop: true }) });
  const bench = await openRelayBench(t, { hubs: [hub] });
  const result = await bench.relay.attempt(toLeg(["a@x.test"]), SOURCE, WAIT_MS);
  assert.ok(result.kind === "pending");
  assert.equal((await result.settled).kind, "uncertain");
  assert.deepEqual(bench.facts, []);
});

test("connections are reused, and one that died meanwhile is replaced without a trace", async (t) => {
  let isDying = false;
  const hub = await hubFor(t, {
    script: ({ step, connection }) =>
      isDying && step === "mail" && connection === 1 ? { drop: true } : undefined,
  });
  const bench = await openRelayBench(t, { hubs: [hub] });
  const attempt = () => bench.relay.attempt(toLeg(["a@x.test"]), SOURCE, WAIT_MS);
  assert.equal((await attempt()).kind, "answered");
  assert.equal((await attempt()).kind, "answered");
  assert.equal(hub.connections, 1);
  isDying = true;
  assert.equal((await attempt()).kind, "answered");
  assert.equal(hub.connections, 2);
  assert.equal(hub.messages.length, 3);
});

test("no more connections are open than the connector allows", async (t) => {
  let most = 0;
  const hub = await hubFor(t, {
    script: () => {
      most = Math.max(most, hub.openConnections());
      return undefined;
    },
  });
  const bench = await openRelayBench(t, { hubs: [hub], maxConnections: 3 });
  const attempts = Array.from({ length: 40 }, () =>
    bench.relay.attempt(toLeg(["a@x.test"]), SOURCE, WAIT_MS),
  );
  for (const result of await Promise.all(attempts)) assert.equal(result.kind, "answered");
  assert.equal(hub.messages.length, 40);
  assert.equal(most, 3);
});

test("what the hub cannot take is refused in its stead, and offers say so", async (t) => {
  const hub = await hubFor(t, { capabilities: ["SIZE 1000"] });
  const bench = await openRelayBench(t, { hubs: [hub] });
  const all = { maxBytes: null, eightBitMime: true, smtpUtf8: true };
  assert.deepEqual(bench.relay.offers(), all);
  const attempt = async (needs: { eightBitMime: boolean; smtpUtf8: boolean }, bytes = 10) => {
    const source = toBytesSource(`${"x".repeat(bytes - 2)}\r\n`);
    const result = await bench.relay.attempt(toLeg(["a@x.test"], { needs }), source, WAIT_MS);
    assert.ok(result.kind === "answered");
    const reply = result.fates[0]?.reply;
    return `${reply?.code} ${reply?.status}`;
  };
  assert.equal(await attempt({ eightBitMime: true, smtpUtf8: false }), "554 5.6.3");
  assert.equal(await attempt({ eightBitMime: false, smtpUtf8: true }), "550 5.6.7");
  assert.equal(await attempt({ eightBitMime: false, smtpUtf8: false }, 1001), "552 5.3.4");
  assert.equal(await attempt({ eightBitMime: false, smtpUtf8: false }, 1000), "250 2.0.0");
  assert.equal(hub.messages.length, 1);
  const offer = { maxBytes: 1000, eightBitMime: false, smtpUtf8: false };
  assert.deepEqual(bench.relay.offers(), offer);
  assert.deepEqual(bench.relay.offers("x.test"), offer);
  assert.deepEqual(bench.relay.offers("nowhere.test"), all);
});

test("8-bit content is declared to the hub whatever the client said", async (t) => {
  const hub = await hubFor(t);
  const bench = await openRelayBench(t, { hubs: [hub] });
  const needs = { eightBitMime: true, smtpUtf8: true };
  await bench.relay.attempt(toLeg(["a@x.test"], { needs }), SOURCE, WAIT_MS);
  assert.match(hub.messages[0]?.mailLine ?? "", / BODY=8BITMIME SMTPUTF8$/);
});
