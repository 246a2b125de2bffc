import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { Unavailable } from "../../src/base/errors.ts";
import type { SendOutcome } from "../../src/smtp/smtp-client.ts";
import { afterwards } from "../support/afterwards.ts";
import { toBytesSource } from "../support/bytes-source.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { openRelayBench, toLeg, toTestConnector } from "../support/relay-bench.ts";
import { type HubAction, hubFor, startScriptedHub } from "../support/scripted-hub.ts";
import { toSpoolItem } from "../support/spool-item.ts";

const TEXT = "From: s\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n\r\nbody\r\n";
const SOURCE = toBytesSource(TEXT);
const FIVE_MINUTES = 5 * 60_000;
const SPOOL_AWAY = new Unavailable("spool", "made by a test");

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
    await bench.pass(() => bench.spool.list().length === 0);
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
  afterwards(t, () => back.close());
  await bench.pass(() => bench.spool.list().length === 0);
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
  await bench.pass(() => bench.spool.list().length === 0);
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
  await bench.pass(() => bench.spool.list().length === 0);
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
  await bench.pass(() => bench.spool.list().length === 0);
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
  await second.pass(() => second.spool.list().length === 0);
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

test("a stop waits for the answer to an adopted attempt", async (t) => {
  const clock = createFakeClock();
  const bench = await openRelayBench(t, { hubs: [], clock });
  const lease = await bench.spool.addLeased(toSpoolItem(clock, ["a@x.test"]), SOURCE);
  const settled = Promise.withResolvers<SendOutcome>();
  bench.relay.adopt(lease, settled.promise, "hub:25");
  let isStopped = false;
  const stopped = bench.relay.stop(10_000).then(() => {
    isStopped = true;
  });
  await setImmediate();
  assert.equal(isStopped, false);
  const reply = { code: 250, status: null, text: "" };
  settled.resolve({ kind: "answered", fates: [{ kind: "accepted", reply }] });
  await stopped;
  assert.deepEqual(bench.spool.list(), []);
});

test("what a hub has put off keeps its time when another destination is back", async (t) => {
  const clock = createFakeClock();
  const hub = await hubFor(t, {
    script: ({ step }) => (step === "rcpt" ? "450 4.2.0 greylisted" : undefined),
  });
  const dead = await startScriptedHub();
  await dead.close();
  const connectors = [
    toTestConnector({ name: "here", domains: ["x.test"], hosts: [hub] }),
    toTestConnector({ name: "away", domains: ["away.test"], hosts: [dead] }),
  ];
  const bench = await openRelayBench(t, { hubs: [], connectors, clock });
  for (const to of [["a@away.test", "a@x.test"], ["b@x.test"], ["c@away.test"]])
    await bench.spool.add(toSpoolItem(clock, to), SOURCE);
  bench.relay.start();
  await bench.pass(() => bench.spool.list().every(({ known }) => known?.attempts === 1));
  const now = clock.now();
  assert.equal(
    bench.spool.hasten(() => true, now),
    1,
  );
  const due = bench.spool.list().filter(({ dueAt }) => dueAt <= now);
  assert.deepEqual(
    due.map(({ known }) => known?.domains),
    [["away.test"]],
  );
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
