import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { EnvelopeRecipient } from "../../../src/mail/envelope.ts";
import type { NewSpoolItem } from "../../../src/spool/spool.ts";
import { afterwards } from "../../support/afterwards.ts";
import { toBytesSource } from "../../support/bytes-source.ts";
import { createFakeClock, type FakeClock } from "../../support/fake-clock.ts";
import {
  type BenchOptions,
  openRelayBench,
  type RelayBench,
  toLeg,
  toTestConnector,
} from "../../support/relay-bench.ts";
import { type HubOptions, type ScriptedHub, startScriptedHub } from "../../support/scripted-hub.ts";
import { toAddress, toSpoolItem } from "../../support/spool-item.ts";

// Time travel through the whole relay: what a sender is told while the hub is away, and when.

const SOURCE = toBytesSource("From: s\r\nSubject: hello\r\n\r\nbody\r\n");
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** So that five days do not take long. */
const SELDOM = { retryFirstSeconds: 43_200, retryMaxSeconds: 43_200 };
type Notify = EnvelopeRecipient["notify"];

interface Travel {
  readonly clock: FakeClock;
  readonly hub: ScriptedHub;
  readonly bench: RelayBench;
  /** Since the start, in milliseconds. */
  readonly age: () => number;
  /** Kinds of what was told to the sender, in order. */
  readonly told: () => readonly string[];
}

/** A hub that answers 450 for x.test until `backAfterMs`, and takes what goes to the sender. */
async function travel(
  t: TestContext,
  backAfterMs: number,
  { capabilities, limits }: Pick<HubOptions, "capabilities"> & Pick<BenchOptions, "limits"> = {},
): Promise<Travel> {
  const clock = createFakeClock();
  const start = clock.now();
  const age = () => clock.now() - start;
  const script: HubOptions["script"] = ({ step, line }) =>
    step === "rcpt" && line.includes("@x.test") && age() < backAfterMs
      ? "450 4.3.2 down for repairs"
      : undefined;
  const hub = await startScriptedHub({ script, ...(capabilities && { capabilities }) });
  afterwards(t, () => hub.close());
  const bench = await openRelayBench(t, { hubs: [hub], clock, ...(limits && { limits }) });
  bench.relay.start();
  return { clock, hub, bench, age, told: () => toldIn(bench) };
}

const TELLING = new Set(["bounced", "told-of-delay", "told-of-relay"]);

function toldIn({ facts }: RelayBench): readonly string[] {
  return facts.map(({ kind }) => kind).filter((kind) => TELLING.has(kind));
}

async function addMail(
  { bench, clock }: Pick<Travel, "bench" | "clock">,
  change: Partial<NewSpoolItem> & { readonly notify?: Notify; readonly text?: string } = {},
): Promise<NewSpoolItem> {
  const { notify, text, ...rest } = change;
  const item = toSpoolItem(clock, ["a@x.test"], { senderAuthenticated: true, ...rest });
  const recipients = item.envelope.recipients.map((one) => ({ ...one, ...(notify && { notify }) }));
  const made = { ...item, envelope: { ...item.envelope, recipients } };
  await bench.spool.add(made, text === undefined ? SOURCE : toBytesSource(text));
  bench.relay.wake();
  return made;
}

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

test("a success that was asked for is told when the hub cannot tell it, and only then", async (t) => {
  const rows: readonly (readonly [string, Partial<NewSpoolItem>, Notify, boolean, boolean])[] = [
    ["asked, no DSN", {}, ["SUCCESS"], false, true],
    ["asked, DSN", {}, ["SUCCESS"], true, false],
    ["not asked", {}, undefined, false, false],
    ["only failures", {}, ["FAILURE"], false, false],
    ["forged", { senderAuthenticated: false }, ["SUCCESS"], false, false],
  ];
  for (const [name, change, notify, hasDsn, isTold] of rows) {
    const capabilities = ["PIPELINING", "8BITMIME", ...(hasDsn ? ["DSN"] : [])];
    const trip = await travel(t, 0, { capabilities });
    await addMail(trip, { ...change, ...(notify && { notify }) });
    await trip.bench.pass(() => trip.bench.spool.list().length === 0);
    assert.deepEqual(trip.told(), isTold ? ["told-of-relay"] : [], name);
    assert.equal(trip.hub.messages.length, isTold ? 2 : 1, name);
    const asked = trip.hub.messages[0]?.rcptLines[0] ?? "";
    assert.equal(asked.includes("NOTIFY="), hasDsn, name);
    await trip.bench.relay.stop(0);
  }
});

test("an answer in the session and a late one tell of a success alike", async (t) => {
  const trip = await travel(t, 0);
  await succeedTwice(trip);
  assert.deepEqual(trip.told(), ["told-of-relay", "told-of-relay"]);
  assert.match(trip.hub.messages[2]?.data.toString() ?? "", /^Action: relayed\r$/m);
});

test("of a success that the hub will tell we tell nothing, in the session or late", async (t) => {
  const trip = await travel(t, 0, { capabilities: ["PIPELINING", "DSN"] });
  await succeedTwice(trip);
  assert.deepEqual(trip.told(), []);
  assert.match(trip.hub.messages[0]?.rcptLines[0] ?? "", / NOTIFY=SUCCESS$/);
});

/** A message whose sender asks for its success: answered in the session, and adopted. */
async function succeedTwice(trip: Travel): Promise<void> {
  const recipient = { address: toAddress("a@x.test"), notify: ["SUCCESS"] } as const;
  const { envelope } = toLeg(["a@x.test"]);
  const leg = toLeg([], {
    senderAuthenticated: true,
    envelope: { ...envelope, recipients: [recipient] },
  });
  const result = await trip.bench.relay.attempt(leg, SOURCE, 20_000);
  assert.ok(result.kind === "answered");
  await trip.bench.relay.settleAnswered(leg, SOURCE, result);
  const item = { ...leg, dueAt: trip.clock.now(), reason: "no answer yet" };
  const lease = await trip.bench.spool.addLeased(item, SOURCE);
  trip.bench.relay.adopt(lease, Promise.resolve(result), result.hub);
  await trip.bench.pass(() => trip.bench.spool.list().length === 0);
}

test("RET=FULL brings a failed message back, unless it is large; other notices bring headers", async (t) => {
  const rows: readonly (readonly [string, number, Notify, RegExp])[] = [
    ["failed", 100, ["FAILURE"], /^Content-Type: message\/rfc822\r\n\r\nSubject: back\r\n\r\nx/m],
    ["too large", 1_048_577, ["FAILURE"], /^Content-Type: text\/rfc822-headers/m],
    ["delayed", 100, ["DELAY"], /^Content-Type: text\/rfc822-headers/m],
  ];
  for (const [name, bytes, notify, expected] of rows) {
    const trip = await travel(t, 6 * DAY, { limits: SELDOM });
    const { envelope } = toSpoolItem(trip.clock, ["a@x.test"]);
    const mail = { ...envelope.mail, ret: "FULL" } as const;
    const text = `Subject: back\r\n\r\n${`${"x".repeat(70)}\r\n`.repeat(Math.ceil(bytes / 72))}`;
    await addMail(trip, { envelope: { ...envelope, mail }, notify, text });
    await trip.bench.pass(() => trip.bench.spool.list().length === 0);
    assert.equal(trip.hub.messages.length, 1, name);
    assert.match(trip.hub.messages[0]?.data.toString() ?? "", expected, name);
    await trip.bench.relay.stop(0);
  }
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
