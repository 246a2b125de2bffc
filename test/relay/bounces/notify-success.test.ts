import assert from "node:assert/strict";
import { test } from "node:test";
import type { NewSpoolItem } from "../../../src/spool/spool.ts";
import { toLeg } from "../../support/relay-bench.ts";
import { toAddress, toSpoolItem } from "../../support/spool-item.ts";
import { addMail, DAY, type Notify, SELDOM, SOURCE, type Travel, travel } from "./notify-travel.ts";

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
