import assert from "node:assert/strict";
import { test } from "node:test";
import { toBytesSource } from "../../support/bytes-source.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { openRelayBench, QUARANTINE_AWAY, toLeg } from "../../support/relay-bench.ts";
import { hubFor } from "../../support/scripted-hub.ts";
import { toAddress, toSpoolItem } from "../../support/spool-item.ts";

const TEXT = "From: s\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n\r\nbody\r\n";
const SOURCE = toBytesSource(TEXT);

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
  await bench.pass(() => hub.messages.length === 1 && bench.spool.list().length === 0);
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

test("a bounce goes to the address that the sender spoke, whatever we made of it", async (t) => {
  const clock = createFakeClock();
  const hub = await hubFor(t, {
    script: ({ step, line }) => (step === "rcpt" && line.includes("<no@") ? "550 no" : undefined),
  });
  const bench = await openRelayBench(t, { hubs: [hub], clock });
  const { envelope } = toSpoolItem(clock, ["no@x.test"]);
  const origin = envelope.sender;
  assert.ok(origin);
  const sender = toAddress("prvs=0123=sender@elsewhere.test");
  const item = toSpoolItem(clock, [], {
    senderAuthenticated: true,
    envelope: { ...envelope, sender, origin },
  });
  await bench.spool.add(item, SOURCE);
  bench.relay.start();
  await bench.pass(() => hub.messages.length === 1);
  assert.deepEqual(hub.messages[0]?.recipients, ["sender@away.test"]);
  assert.match(hub.messages[0]?.data.toString() ?? "", /^To: <sender@away\.test>\r$/m);
});

test("nobody else gets a bounce: the mail is held instead", async (t) => {
  const sender = toSpoolItem(createFakeClock(), []).envelope;
  const cases = [
    {
      name: "sender not authenticated",
      change: {},
      domains: ["x.test", "away.test"],
      why: /554 no; not bounced: its sender may be forged$/,
    },
    {
      name: "no route",
      change: { senderAuthenticated: true },
      domains: ["x.test"],
      why: /not bounced: no connector takes mail for away\.test$/,
    },
    {
      name: "null sender",
      change: { senderAuthenticated: true, envelope: { ...sender, sender: null } },
      domains: ["x.test", "away.test"],
      why: /not bounced: it is a bounce itself$/,
    },
  ];
  for (const { name, change, domains, why } of cases) {
    const clock = createFakeClock();
    const hub = await hubFor(t, { script: ({ step }) => (step === "dot" ? "554 no" : undefined) });
    const bench = await openRelayBench(t, { hubs: [hub], clock, domains });
    const item = toSpoolItem(clock, ["no@x.test"], change);
    const { recipients } = toSpoolItem(clock, ["no@x.test"]).envelope;
    await bench.spool.add({ ...item, envelope: { ...item.envelope, recipients } }, SOURCE);
    bench.relay.start();
    await bench.pass(() => bench.spool.list().length === 0);
    assert.equal(bench.holds.length, 1, name);
    assert.match(bench.holds[0]?.detail ?? "", why, name);
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
  await bench.pass(() => hub.messages.length === 1 && bench.spool.list().length === 0);
  assert.equal(bench.holds.length, 1);
  assert.equal(bench.holds[0]?.envelope.recipients[0]?.address.spoken, "a@x.test");
  assert.doesNotMatch(hub.messages[0]?.data.toString() ?? "", /a@x\.test/);
});

test("what a bounce shows of the header is kept in the spool, and in quarantine", async (t) => {
  const clock = createFakeClock();
  const hub = await hubFor(t, {
    script: ({ step, line }) =>
      step === "rcpt" && !line.includes("sender@") ? "550 no" : undefined,
  });
  const fieldOrigins = [{ name: "Subject", nth: 0, rawValue: " gr\xfc\xdfe" }];
  for (const senderAuthenticated of [true, false]) {
    const bench = await openRelayBench(t, { hubs: [hub], clock });
    const item = toSpoolItem(clock, ["a@x.test"], { senderAuthenticated, fieldOrigins });
    await bench.spool.add(item, SOURCE);
    bench.relay.start();
    await bench.pass(() => bench.spool.list().length === 0);
    if (!senderAuthenticated) assert.deepEqual(bench.holds[0]?.fieldOrigins, fieldOrigins);
  }
  assert.equal(hub.messages.length, 1);
  assert.match(hub.messages[0]?.data.toString() ?? "", /^Subject: gr\?\?e\r$/m);
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
  await bench.pass(() => bench.spool.list().length === 0);
  assert.equal(bench.holds.length, 1);
});

test("after five days of trying the mail is held with 4.4.7", async (t) => {
  const clock = createFakeClock();
  const hub = await hubFor(t, { script: ({ step }) => (step === "rcpt" ? "450 no" : undefined) });
  const limits = { retryFirstSeconds: 43_200, retryMaxSeconds: 43_200 };
  const bench = await openRelayBench(t, { hubs: [hub], clock, limits });
  await bench.spool.add(toSpoolItem(clock, ["a@x.test"]), SOURCE);
  bench.relay.start();
  await bench.pass(() => bench.spool.list().length === 0);
  assert.match(bench.holds[0]?.detail ?? "", /4\.4\.7 .*450 no/);
});

test("who was accepted or refused at the last attempt has not expired", async (t) => {
  const clock = createFakeClock();
  const answers = { "<b@": "550 5.1.1 unknown", "<c@": "450 4.2.2 full" };
  const hub = await hubFor(t, {
    script: ({ step, line }) =>
      step === "rcpt"
        ? Object.entries(answers).find(([name]) => line.includes(name))?.[1]
        : undefined,
  });
  const bench = await openRelayBench(t, { hubs: [hub], clock });
  const receivedAt = clock.now() - 6 * 86_400_000;
  const recipients = ["a@x.test", "b@x.test", "c@x.test"];
  const item = toSpoolItem(clock, recipients, { receivedAt, senderAuthenticated: true });
  await bench.spool.add(item, SOURCE);
  bench.relay.start();
  await bench.pass(() => bench.spool.list().length === 0);
  const [message, bounce, ...more] = hub.messages;
  assert.deepEqual([message?.recipients, more], [["a@x.test"], []]);
  const text = bounce?.data.toString() ?? "";
  assert.deepEqual(text.match(/^(?:Final-Recipient|Status|Diagnostic-Code): .*(?=\r$)/gm), [
    "Final-Recipient: rfc822; b@x.test",
    "Status: 5.1.1",
    "Diagnostic-Code: smtp; 550 5.1.1 unknown",
    "Final-Recipient: rfc822; c@x.test",
    "Status: 4.4.7",
    "Diagnostic-Code: smtp; 450 4.2.2 full",
  ]);
});

test("refused recipients of a promised message are bounced or held, or the caller is told", async (t) => {
  const bench = await openRelayBench(t, { hubs: [] });
  const leg = toLeg(["yes@x.test", "no@x.test"]);
  const reply = { code: 550, status: "5.1.1", text: "unknown" };
  const fates = [
    { kind: "accepted", reply },
    { kind: "refused", reply },
  ] as const;
  const answer = { kind: "answered", hub: "hub:25", fates } as const;
  await bench.relay.settleAnswered(leg, SOURCE, answer);
  assert.deepEqual(
    bench.holds[0]?.envelope.recipients.map(({ address }) => address.spoken),
    ["no@x.test"],
  );
  await bench.relay.settleAnswered({ ...leg, senderAuthenticated: true }, SOURCE, answer);
  const [bounce] = await bench.spool.leaseDue(Date.now(), 1);
  assert.equal(bounce?.item.envelope.sender, null);
  bench.failHold(QUARANTINE_AWAY);
  await assert.rejects(bench.relay.settleAnswered(leg, SOURCE, answer), /quarantine/);
});

test("a bounce that is refused is held; a notice of a delay or a success is dropped", async (t) => {
  for (const bounce of ["failed", "delayed", "relayed"] as const) {
    const clock = createFakeClock();
    const hub = await hubFor(t, { script: ({ step }) => (step === "rcpt" ? "550 no" : undefined) });
    const bench = await openRelayBench(t, { hubs: [hub], clock });
    const { envelope } = toSpoolItem(clock, ["sender@away.test"]);
    const item = toSpoolItem(clock, [], { envelope: { ...envelope, sender: null }, bounce });
    await bench.spool.add(item, SOURCE);
    // Also what a process before this one made.
    const next = await openRelayBench(t, { hubs: [hub], clock, folder: bench.folder });
    next.relay.start();
    await next.pass(() => next.spool.list().length === 0);
    const isHeld = bounce === "failed";
    assert.equal(next.holds.length, isHeld ? 1 : 0, bounce);
    assert.deepEqual(
      next.facts.map(({ kind }) => kind),
      ["refused", isHeld ? "held" : "bounce-dropped"],
      bounce,
    );
    await next.relay.stop(0);
  }
});

test("the recipients of one message who failed alike are told of in one bounce", async (t) => {
  const clock = createFakeClock();
  const hub = await hubFor(t, {
    script: ({ step, line }) => {
      if (step !== "rcpt" || line.includes("sender@")) return undefined;
      return line.includes("<a@") ? "550 5.1.1 unknown" : "552 5.2.2 full";
    },
  });
  const bench = await openRelayBench(t, { hubs: [hub], clock });
  const item = toSpoolItem(clock, ["a@x.test", "b@x.test"], { senderAuthenticated: true });
  await bench.spool.add(item, SOURCE);
  bench.relay.start();
  await bench.pass(() => bench.spool.list().length === 0);
  assert.equal(hub.messages.length, 1);
  const text = hub.messages[0]?.data.toString() ?? "";
  assert.match(text, /a@x\.test\r\nAction: failed\r\nStatus: 5\.1\.1\r$/m);
  assert.match(text, /b@x\.test\r\nAction: failed\r\nStatus: 5\.2\.2\r$/m);
});

test("a bounce asks the next server to tell nobody of it", async (t) => {
  const clock = createFakeClock();
  const hub = await hubFor(t, {
    capabilities: ["DSN"],
    script: ({ step, line }) => (step === "rcpt" && line.includes("<no@") ? "550 no" : undefined),
  });
  const bench = await openRelayBench(t, { hubs: [hub], clock });
  await bench.spool.add(toSpoolItem(clock, ["no@x.test"], { senderAuthenticated: true }), SOURCE);
  bench.relay.start();
  await bench.pass(() => hub.messages.length === 1);
  assert.deepEqual(hub.messages[0]?.rcptLines, ["RCPT TO:<sender@away.test> NOTIFY=NEVER"]);
});
