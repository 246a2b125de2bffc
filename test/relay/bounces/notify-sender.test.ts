import assert from "node:assert/strict";
import { test } from "node:test";
import { afterwards } from "../../support/afterwards.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { openRelayBench, toTestConnector } from "../../support/relay-bench.ts";
import { startScriptedHub } from "../../support/scripted-hub.ts";
import { toSpoolItem } from "../../support/spool-item.ts";
import { addMail, DAY, HOUR, type Notify, SELDOM, toldIn, travel } from "./notify-travel.ts";

test("while a hub is away for two hours nobody is told anything", async (t) => {
  const trip = await travel(t, 2 * HOUR);
  await addMail(trip);
  await trip.bench.pass(() => trip.bench.spool.list().length === 0);
  assert.deepEqual(trip.told(), []);
  assert.deepEqual(
    trip.hub.messages.map(({ recipients }) => recipients),
    [["a@x.test"]],
  );
});

test("after four hours the sender is warned once, also across a restart", async (t) => {
  const trip = await travel(t, 9 * HOUR);
  const { clock, hub, bench, age } = trip;
  await addMail(trip);
  await bench.pass(() => hub.messages.length === 1);
  assert.equal(age(), 4 * HOUR);
  const [notice] = hub.messages;
  assert.deepEqual([notice?.sender, notice?.recipients], ["", ["sender@away.test"]]);
  const text = notice?.data.toString() ?? "";
  assert.match(
    text,
    /^Final-Recipient: rfc822; a@x\.test\r\nAction: delayed\r\nStatus: 4\.3\.2\r$/m,
  );
  assert.match(text, /^Diagnostic-Code: smtp; 450 4\.3\.2 down for repairs\r$/m);
  assert.match(text, /^Will-Retry-Until: Tue, 06 Jan 2026 00:00:00 \+0000\r$/m);
  await bench.pass(() => bench.spool.list().length === 1 && bench.spool.stats().active === 0);
  await bench.relay.stop(0);
  const next = await openRelayBench(t, { hubs: [hub], clock, folder: bench.folder });
  next.relay.start();
  await next.pass(() => next.spool.list().length === 0);
  assert.ok(age() >= 9 * HOUR);
  assert.deepEqual(trip.told(), ["told-of-delay"]);
  assert.deepEqual(toldIn(next), []);
  assert.deepEqual(
    hub.messages.map(({ recipients }) => recipients[0]),
    ["sender@away.test", "a@x.test"],
  );
});

test("a hub that cannot be reached makes a warning too, sent once it can be", async (t) => {
  const clock = createFakeClock();
  const away = await startScriptedHub();
  const bench = await openRelayBench(t, { hubs: [away], clock });
  await away.close();
  bench.relay.start();
  await addMail({ bench, clock });
  await bench.pass(() => toldIn(bench).length === 1 && bench.spool.stats().due === 2);
  const back = await startScriptedHub({ port: away.port });
  afterwards(t, () => back.close());
  await bench.pass(() => bench.spool.list().length === 0);
  const notice = back.messages.find(({ sender }) => sender === "");
  assert.match(notice?.data.toString() ?? "", /^Status: 4\.4\.1\r$/m);
  assert.match(notice?.data.toString() ?? "", /^Diagnostic-Code: X-Postern; 451 4\.4\.1 /m);
  assert.equal(back.messages.length, 2);
});

test("after five days there is one bounce, and the message is gone", async (t) => {
  const trip = await travel(t, 6 * DAY, { limits: SELDOM });
  await addMail(trip);
  await trip.bench.pass(() => trip.bench.spool.list().length === 0);
  assert.deepEqual(trip.told(), ["told-of-delay", "bounced"]);
  assert.equal(trip.age(), 5 * DAY);
  const bounce = trip.hub.messages[1]?.data.toString() ?? "";
  assert.match(bounce, /^Action: failed\r\nStatus: 4\.4\.7\r$/m);
  assert.match(bounce, /^Diagnostic-Code: smtp; 450 4\.3\.2 down for repairs\r$/m);
  assert.equal(trip.hub.messages.length, 2);
  assert.equal(trip.bench.holds.length, 0);
});

test("NOTIFY says what the sender hears in five days of vain trying; the rest is held", async (t) => {
  const rows: readonly (readonly [Notify, readonly string[], number])[] = [
    [["NEVER"], [], 1],
    [["DELAY"], ["told-of-delay"], 1],
    [["FAILURE"], ["bounced"], 0],
    [["SUCCESS"], [], 1],
  ];
  for (const [notify, told, held] of rows) {
    const trip = await travel(t, 6 * DAY, { limits: SELDOM });
    await addMail(trip, { notify });
    await trip.bench.pass(() => trip.bench.spool.list().length === 0);
    assert.deepEqual(trip.told(), told, String(notify));
    assert.equal(trip.bench.holds.length, held, String(notify));
    await trip.bench.relay.stop(0);
  }
});

test("forged senders, bounces, lists and programs are never warned", async (t) => {
  const nobody = toSpoolItem(createFakeClock(), ["a@x.test"]).envelope;
  const rows = [
    { name: "forged", change: { senderAuthenticated: false } },
    { name: "bounce", change: { envelope: { ...nobody, sender: null } } },
    { name: "list", change: { text: "Precedence: list\r\n\r\nbody\r\n" } },
    { name: "program", change: { text: "Auto-Submitted: auto-generated\r\n\r\nbody\r\n" } },
  ];
  for (const { name, change } of rows) {
    const trip = await travel(t, 9 * HOUR);
    await addMail(trip, change);
    await trip.bench.pass(() => trip.bench.spool.list().length === 0);
    assert.deepEqual(trip.told(), [], name);
    assert.equal(trip.hub.messages.length, 1, name);
    await trip.bench.relay.stop(0);
  }
});

test("one warning tells of all recipients who may be told of, and of no other", async (t) => {
  const trip = await travel(t, 9 * HOUR);
  const item = toSpoolItem(trip.clock, ["a@x.test", "b@x.test", "c@x.test"]);
  const [a, b, c] = item.envelope.recipients;
  assert.ok(a && b && c);
  const recipients = [a, { ...b, notify: ["FAILURE"] as const }, c];
  await addMail(trip, { envelope: { ...item.envelope, recipients } });
  await trip.bench.pass(() => trip.bench.spool.list().length === 0);
  assert.deepEqual(trip.told(), ["told-of-delay"]);
  const finals = /Final-Recipient: rfc822; (\S+)/g;
  const text = trip.hub.messages[0]?.data.toString() ?? "";
  assert.deepEqual(
    [...text.matchAll(finals)].map(([, address]) => address),
    ["a@x.test", "c@x.test"],
  );
});

test("a warning that cannot be kept is made at the next attempt", async (t) => {
  const trip = await travel(t, 9 * HOUR);
  await addMail(trip);
  let failures = 1;
  const { add } = trip.bench.spool;
  const spool = trip.bench.spool as { add: typeof add };
  spool.add = (...args) => (failures-- > 0 ? Promise.reject(new Error("no space")) : add(...args));
  await trip.bench.pass(() => trip.bench.spool.list().length === 0);
  assert.deepEqual(trip.told(), ["told-of-delay"]);
  assert.ok(failures < 0);
});

test("of many messages for a hub that is away each has its warning and its end in time", async (t) => {
  const count = 40;
  const clock = createFakeClock();
  const start = clock.now();
  const hub = await startScriptedHub();
  afterwards(t, () => hub.close());
  const away = await startScriptedHub();
  await away.close();
  const connectors = [
    toTestConnector({ name: "dead", domains: ["x.test"], hosts: [away] }),
    toTestConnector({ name: "senders", domains: ["away.test"], hosts: [hub] }),
  ];
  const bench = await openRelayBench(t, { hubs: [], clock, connectors, limits: SELDOM });
  for (let i = 0; i < count; i++) await addMail({ bench, clock });
  bench.relay.start();
  await bench.pass(() => bench.spool.list().length === 0);
  for (const [kind, from, to] of [
    ["told-of-delay", 4 * HOUR, 6 * HOUR],
    ["bounced", 5 * DAY, 5 * DAY + 2 * HOUR],
  ] as const) {
    const ages = bench.facts.flatMap((fact) => (fact.kind === kind ? [fact.at - start] : []));
    assert.equal(ages.length, count, kind);
    assert.ok(Math.min(...ages) >= from, `${kind} after ${Math.min(...ages)} ms`);
    assert.ok(Math.max(...ages) <= to, `${kind} after ${Math.max(...ages)} ms`);
  }
  assert.equal(hub.messages.length, 2 * count);
});
