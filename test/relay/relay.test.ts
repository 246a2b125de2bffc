import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Unavailable } from "../../src/base/errors.ts";
import { toBytesSource } from "../support/bytes-source.ts";
import { createFakeClock, type FakeClock } from "../support/fake-clock.ts";
import { openRelayBench, QUARANTINE_AWAY, type RelayBench, toLeg } from "../support/relay-bench.ts";
import {
  type HubAction,
  type HubOptions,
  type ScriptedHub,
  startScriptedHub,
} from "../support/scripted-hub.ts";
import { toSpoolItem } from "../support/spool-item.ts";

const TEXT = "From: s\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n\r\nbody\r\n";
const SOURCE = toBytesSource(TEXT);
const FIVE_MINUTES = 5 * 60_000;
const SPOOL_AWAY = new Unavailable("spool", "made by a test");

async function hubFor(t: TestContext, options: HubOptions = {}): Promise<ScriptedHub> {
  const hub = await startScriptedHub(options);
  t.after(() => hub.close());
  return hub;
}

/**
 * Lets sockets and disk work until the condition holds. The clock moves only while nothing is being
 * delivered, to the time when the next entry is due: a slow machine must not make limits expire.
 */
async function pass(bench: RelayBench, clock: FakeClock, condition: () => boolean): Promise<void> {
  const end = performance.now() + 20_000;
  while (!condition()) {
    assert.ok(performance.now() < end, `in vain: ${condition}`);
    const dueAt = bench.spool.nextDueAt();
    const isIdle = bench.spool.stats().active === 0 && dueAt !== null && dueAt > clock.now();
    await clock.advance(isIdle ? dueAt - clock.now() : 0);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

test("whatever a hub does to the first attempt, the message is neither lost nor doubled", async (t) => {
  const faults: readonly (readonly [string, HubAction, number])[] = [
    ["connect", { drop: true }, 1],
    ["connect", { drop: true, reply: "421 4.3.2 no" }, 1],
    ["connect", { drop: true, reply: "554 5.3.2 no" }, 1],
    ["ehlo", { drop: true }, 1],
    ["mail", { drop: true }, 1],
    ["mail", "451 4.3.0 no", 1],
    ["mail", { drop: true, reply: "421 4.3.2 no" }, 1],
    ["rcpt", { drop: true }, 1],
    ["rcpt", "452 4.2.2 full", 1],
    ["data", { drop: true }, 1],
    ["data", { drop: true, reply: "354 go" }, 1],
    ["data", "451 4.3.0 no", 1],
    ["data", "250 what", 1],
    ["dot", "451 4.3.0 no", 1],
    ["dot", { drop: true, reply: "421 4.3.2 no" }, 1],
    // The hub has it and did not say so: RFC 5321 leaves only a second copy.
    ["dot", { drop: true }, 2],
  ];
  for (const [step, fault, copies] of faults) {
    const clock = createFakeClock();
    const hub = await hubFor(t, {
      script: (event) => (event.step === step && event.count === 1 ? fault : undefined),
    });
    const bench = await openRelayBench(t, { hubs: [hub], clock });
    await bench.spool.add(toSpoolItem(clock, ["a@x.test"]), SOURCE);
    bench.relay.start();
    await pass(bench, clock, () => bench.spool.list().length === 0);
    const about = `${step} ${JSON.stringify(fault)}`;
    assert.equal(hub.messages.length, copies, about);
    for (const message of hub.messages) assert.equal(message.data.toString(), TEXT, about);
    assert.equal(bench.facts.filter(({ kind }) => kind === "delivered").length, 1, about);
    assert.equal(bench.facts.filter(({ kind }) => kind === "deferred").length, 1, about);
    assert.equal(bench.holds.length, 0);
    await bench.relay.stop(0);
  }
});

test("mail waits while the hub is away and arrives when it is back", async (t) => {
  const clock = createFakeClock();
  const away = await startScriptedHub();
  const bench = await openRelayBench(t, { hubs: [away], clock });
  await away.close();
  bench.relay.start();
  await bench.spool.add(toSpoolItem(clock, ["a@x.test"]), SOURCE);
  bench.relay.wake();
  await bench.until(() => bench.facts.length === 1 && bench.spool.stats().due === 1);
  assert.equal(bench.spool.nextDueAt(), clock.now() + FIVE_MINUTES);
  const back = await startScriptedHub({ port: away.port });
  t.after(() => back.close());
  await pass(bench, clock, () => bench.spool.list().length === 0);
  assert.equal(back.messages.length, 1);
});

test("only those who were told later get another attempt", async (t) => {
  const clock = createFakeClock();
  const hub = await hubFor(t, {
    script: ({ step, line, count }) => {
      if (step !== "rcpt") return undefined;
      if (line.includes("<no@")) return "550 5.1.1 unknown";
      return line.includes("<late@") && count <= 3 ? "450 4.2.0 later" : undefined;
    },
  });
  const bench = await openRelayBench(t, { hubs: [hub], clock });
  const item = toSpoolItem(clock, ["yes@x.test", "no@x.test", "late@x.test"]);
  await bench.spool.add(item, SOURCE);
  bench.relay.start();
  await pass(bench, clock, () => bench.spool.list().length === 0);
  assert.deepEqual(
    hub.messages.map((message) => message.recipients),
    [["yes@x.test"], ["late@x.test"]],
  );
  const [held] = bench.holds;
  assert.equal(held?.cause, "undeliverable");
  assert.equal(held?.subject, "grüße");
  assert.equal(held?.transactionId, item.transactionId);
  assert.deepEqual(
    held?.envelope.recipients.map(({ address }) => address.spoken),
    ["no@x.test"],
  );
  assert.equal(held?.bytes.toString(), TEXT);
  assert.match(held?.detail ?? "", /550 5\.1\.1 unknown/);
});

test("a refused message goes back as a bounce to a sender who proved to be one", async (t) => {
  const clock = createFakeClock();
  const hub = await hubFor(t, {
    script: ({ step, line }) =>
      step === "rcpt" && line.includes("<no@") ? "550 5.1.1 unknown" : undefined,
  });
  const bench = await openRelayBench(t, { hubs: [hub], clock });
  const item = toSpoolItem(clock, ["no@x.test"], { senderAuthenticated: true });
  await bench.spool.add(item, SOURCE);
  bench.relay.start();
  await pass(bench, clock, () => hub.messages.length === 1 && bench.spool.list().length === 0);
  const [bounce] = hub.messages;
  assert.equal(bounce?.sender, "");
  assert.deepEqual(bounce?.recipients, ["sender@away.test"]);
  assert.match(bounce?.data.toString() ?? "", /^Final-Recipient: rfc822; no@x\.test\r$/m);
  assert.deepEqual(
    bench.facts.map(({ kind }) => kind),
    ["refused", "bounced", "delivered"],
  );
  assert.equal(bench.holds.length, 0);
});

test("nobody else gets a bounce: the mail is held instead", async (t) => {
  const sender = toSpoolItem(createFakeClock(), []).envelope;
  const cases = [
    { name: "sender not authenticated", change: {}, domains: ["x.test", "away.test"] },
    { name: "no route", change: { senderAuthenticated: true }, domains: ["x.test"] },
    {
      name: "null sender",
      change: { senderAuthenticated: true, envelope: { ...sender, sender: null } },
      domains: ["x.test", "away.test"],
    },
  ];
  for (const { name, change, domains } of cases) {
    const clock = createFakeClock();
    const hub = await hubFor(t, { script: ({ step }) => (step === "dot" ? "554 no" : undefined) });
    const bench = await openRelayBench(t, { hubs: [hub], clock, domains });
    const item = toSpoolItem(clock, ["no@x.test"], change);
    const { recipients } = toSpoolItem(clock, ["no@x.test"]).envelope;
    await bench.spool.add({ ...item, envelope: { ...item.envelope, recipients } }, SOURCE);
    bench.relay.start();
    await pass(bench, clock, () => bench.spool.list().length === 0);
    assert.equal(bench.holds.length, 1, name);
    assert.equal(hub.messages.length, 0, name);
    await bench.relay.stop(0);
  }
});

test("a recipient with NOTIFY=NEVER is held, the other one bounced", async (t) => {
  const clock = createFakeClock();
  const hub = await hubFor(t, {
    script: ({ step, line }) =>
      step === "rcpt" && !line.includes("sender@") ? "550 no" : undefined,
  });
  const bench = await openRelayBench(t, { hubs: [hub], clock });
  const item = toSpoolItem(clock, ["a@x.test", "b@x.test"], { senderAuthenticated: true });
  const [a, b] = item.envelope.recipients;
  assert.ok(a && b);
  const recipients = [{ ...a, notify: ["NEVER"] as const }, b];
  await bench.spool.add({ ...item, envelope: { ...item.envelope, recipients } }, SOURCE);
  bench.relay.start();
  await pass(bench, clock, () => hub.messages.length === 1 && bench.spool.list().length === 0);
  assert.equal(bench.holds.length, 1);
  assert.equal(bench.holds[0]?.envelope.recipients[0]?.address.spoken, "a@x.test");
  assert.doesNotMatch(hub.messages[0]?.data.toString() ?? "", /a@x\.test/);
});

test("while the quarantine is away refused mail stays owed, and is held once it is back", async (t) => {
  const clock = createFakeClock();
  const hub = await hubFor(t, { script: ({ step }) => (step === "rcpt" ? "550 no" : undefined) });
  const bench = await openRelayBench(t, { hubs: [hub], clock });
  bench.failHold(QUARANTINE_AWAY);
  await bench.spool.add(toSpoolItem(clock, ["a@x.test"]), SOURCE);
  bench.relay.start();
  await bench.until(() => bench.facts.length === 1 && bench.spool.stats().due === 1);
  assert.equal(bench.holds.length, 0);
  bench.failHold(null);
  await pass(bench, clock, () => bench.spool.list().length === 0);
  assert.equal(bench.holds.length, 1);
});

test("after five days of trying the mail is held with 4.4.7", async (t) => {
  const clock = createFakeClock();
  const hub = await hubFor(t, { script: ({ step }) => (step === "rcpt" ? "450 no" : undefined) });
  const limits = { retryFirstSeconds: 43_200, retryMaxSeconds: 43_200 };
  const bench = await openRelayBench(t, { hubs: [hub], clock, limits });
  await bench.spool.add(toSpoolItem(clock, ["a@x.test"]), SOURCE);
  bench.relay.start();
  await pass(bench, clock, () => bench.spool.list().length === 0);
  assert.match(bench.holds[0]?.detail ?? "", /4\.4\.7 .*450 no/);
});

test("a hub that answers 40 seconds after the dot gets the message once", async (t) => {
  const clock = createFakeClock();
  const answer = Promise.withResolvers<string>();
  const hub = await hubFor(t, {
    script: ({ step }) => (step === "dot" ? answer.promise : undefined),
  });
  const bench = await openRelayBench(t, { hubs: [hub], clock });
  bench.relay.start();
  const leg = toLeg(["a@x.test", "b@x.test"]);
  const attempt = bench.relay.attempt(leg, SOURCE, 20_000);
  await hub.waitFor(() => hub.count("dot") === 1);
  await clock.advance(20_000);
  const result = await attempt;
  assert.ok(result.kind === "pending");
  const item = { ...leg, dueAt: clock.now(), reason: "no answer yet" };
  const lease = await bench.spool.addLeased(item, SOURCE);
  bench.relay.adopt(lease, result.settled, result.hub);
  bench.relay.wake();
  await clock.advance(20_000);
  assert.equal(bench.spool.stats().active, 1);
  answer.resolve("250 2.0.0 at last");
  await pass(bench, clock, () => bench.spool.list().length === 0);
  assert.equal(hub.messages.length, 1);
  assert.equal(bench.facts.filter(({ kind }) => kind === "delivered").length, 1);
});

test("an adopted attempt that ends without an answer is tried again", async (t) => {
  const clock = createFakeClock();
  const hub = await hubFor(t);
  const bench = await openRelayBench(t, { hubs: [hub], clock });
  bench.relay.start();
  const lease = await bench.spool.addLeased(toSpoolItem(clock, ["a@x.test"]), SOURCE);
  const uncertain = Promise.resolve({ kind: "uncertain", reason: "cut" } as const);
  bench.relay.adopt(lease, uncertain, "hub:25");
  await pass(bench, clock, () => bench.spool.list().length === 0);
  assert.equal(hub.messages.length, 1);
});

test("what one process leaves the next delivers at once", async (t) => {
  const clock = createFakeClock();
  const hub = await hubFor(t);
  const first = await openRelayBench(t, { hubs: [hub], clock });
  const dueAt = clock.now() + 3_600_000;
  for (let i = 0; i < 60; i++) {
    await first.spool.add(toSpoolItem(clock, [`${i}@x.test`], { dueAt }), SOURCE);
  }
  const second = await openRelayBench(t, { hubs: [hub], clock, folder: first.folder });
  second.relay.start();
  await pass(second, clock, () => second.spool.list().length === 0);
  assert.equal(new Set(hub.messages.map(({ recipients }) => recipients[0])).size, 60);
  assert.equal(hub.messages.length, 60);
});

test("a stop lets what is before its dot go back to the spool", async (t) => {
  const clock = createFakeClock();
  const hub = await hubFor(t, {
    script: ({ step }) => (step === "rcpt" ? { hang: true } : undefined),
  });
  const bench = await openRelayBench(t, { hubs: [hub], clock });
  await bench.spool.add(toSpoolItem(clock, ["a@x.test"]), SOURCE);
  bench.relay.start();
  await hub.waitFor(() => hub.count("rcpt") === 1);
  await bench.relay.stop(10_000);
  assert.equal(bench.spool.stats().due, 1);
  assert.equal(hub.messages.length, 0);
  await hub.waitFor(() => hub.openConnections() === 0);
});

test("a stop waits for an answer to the dot until its deadline, and no longer", async (t) => {
  for (const answers of [true, false]) {
    const clock = createFakeClock();
    const answer = Promise.withResolvers<string>();
    const hub = await hubFor(t, {
      script: ({ step }) => (step === "dot" ? answer.promise : undefined),
    });
    const bench = await openRelayBench(t, { hubs: [hub], clock });
    await bench.spool.add(toSpoolItem(clock, ["a@x.test"]), SOURCE);
    bench.relay.start();
    await hub.waitFor(() => hub.count("dot") === 1);
    const stopped = bench.relay.stop(10_000);
    if (answers) answer.resolve("250 ok");
    else await clock.advance(10_000);
    await stopped;
    assert.equal(bench.spool.list().length, answers ? 0 : 1);
  }
});

test("a lease that cannot be ended is ended later", async (t) => {
  const clock = createFakeClock();
  const bench = await openRelayBench(t, { hubs: [], clock });
  const lease = await bench.spool.addLeased(toSpoolItem(clock, ["a@x.test"]), SOURCE);
  let failures = 2;
  const remove = lease.remove;
  const stubborn = {
    ...lease,
    remove: () => (failures-- > 0 ? Promise.reject(SPOOL_AWAY) : remove()),
  };
  const reply = { code: 250, status: null, text: "" };
  const answered = { kind: "answered", fates: [{ kind: "accepted", reply }] } as const;
  bench.relay.adopt(stubborn, Promise.resolve(answered), "hub:25");
  await clock.advance(59_000);
  assert.equal(bench.spool.stats().active, 1);
  await clock.advance(61_000);
  await bench.until(() => bench.spool.list().length === 0);
});

test("refused recipients of a promised message are bounced or held, or the caller is told", async (t) => {
  const bench = await openRelayBench(t, { hubs: [] });
  const leg = toLeg(["yes@x.test", "no@x.test"]);
  const reply = { code: 550, status: "5.1.1", text: "unknown" };
  const fates = [
    { kind: "accepted", reply },
    { kind: "refused", reply },
  ] as const;
  await bench.relay.settleRefused(leg, SOURCE, fates, "hub:25");
  assert.deepEqual(
    bench.holds[0]?.envelope.recipients.map(({ address }) => address.spoken),
    ["no@x.test"],
  );
  await bench.relay.settleRefused({ ...leg, senderAuthenticated: true }, SOURCE, fates, null);
  assert.equal(bench.spool.list()[0]?.envelope.sender, null);
  bench.failHold(QUARANTINE_AWAY);
  await assert.rejects(bench.relay.settleRefused(leg, SOURCE, fates, null), /quarantine/);
});
