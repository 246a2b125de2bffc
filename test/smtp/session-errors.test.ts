import assert from "node:assert/strict";
import { test } from "node:test";
import type { ConnectionHandler } from "../../src/smtp/session-handler.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import type { RawClient } from "../support/raw-client.ts";
import { createScriptedHandler } from "../support/scripted-handler.ts";
import { type EdgeOptions, startEdge } from "../support/smtp-edge.ts";
import { arrived, startTimedSession } from "../support/timed-session.ts";
import { waitUntil } from "../support/wait-until.ts";

const SECOND = 1000;

/** A client whose next error is the first that is answered late. */
async function startSlowed(options: EdgeOptions = {}) {
  const session = await startTimedSession(options);
  for (let i = 0; i < 10; i++) assert.equal((await session.client.say("FOO")).code, 500);
  return session;
}

test("pipelining does not escape the delay: each error waits its own second", async () => {
  const { clock, edge, client } = await startSlowed();
  await using _ = edge;
  await client.sendNow("FOO\r\n".repeat(11));
  await arrived();
  for (let i = 0; i < 10; i++) {
    await clock.advance(SECOND - 1);
    assert.equal(client.pending, "");
    await clock.advance(1);
    assert.equal((await client.reply()).code, 500);
  }
  assert.equal((await client.reply()).text.slice(0, 9), "421 4.7.0");
  assert.equal(await client.closed(), "");
});

test("a client that leaves during the delay leaves nothing behind", async () => {
  const { clock, edge, client, handler } = await startSlowed();
  await using _ = edge;
  await client.sendNow("FOO\r\n");
  await waitUntil(
    () => "the error is not delayed",
    () => (clock.pendingTimers() === 1 ? true : undefined),
  );
  client.socket.resetAndDestroy();
  await waitUntil(
    () => "the session goes on",
    () => handler.sessions[0]?.closed ?? undefined,
  );
  assert.equal(handler.sessions[0]?.closed, "client left");
  assert.equal(clock.pendingTimers(), 0);
});

test("drain cuts the delay short, and what was pipelined behind is not run", async () => {
  const { edge, client } = await startSlowed();
  await using _ = edge;
  await client.sendNow("FOO\r\nNOOP\r\nNOOP\r\n");
  await arrived();
  const drained = edge.drain(60 * SECOND);
  assert.equal((await client.reply()).code, 500);
  assert.equal((await client.reply()).text.slice(0, 9), "421 4.3.2");
  assert.equal(await client.closed(), "");
  await drained;
});

test("the end of the session cuts the delay short", async () => {
  const { clock, edge, client } = await startSlowed({ limits: { session: { totalSeconds: 30 } } });
  await using _ = edge;
  await clock.advance(30 * SECOND - 100);
  await client.sendNow("FOO\r\n");
  await arrived();
  await clock.advance(100);
  assert.equal((await client.reply()).code, 500);
  await clock.advance(1);
  assert.equal((await client.reply()).text.slice(0, 9), "421 4.4.2");
});

for (const kind of ["hub", "partner"] as const) {
  test(`a client of a ${kind} listener is not anonymous and never kept waiting`, async () => {
    const { edge, client } = await startSlowed({ kind });
    await using _ = edge;
    for (let i = 0; i < 10; i++) assert.equal((await client.say("FOO")).code, 500);
    assert.equal((await client.say("FOO")).text.slice(0, 9), "421 4.7.0");
  });
}

const UNKNOWN = { code: 550, status: "1.1", text: "Recipient unknown (ref TEST)" } as const;
const RCPT = "RCPT TO:<x@example.org>";

/** A client in a transaction, whose recipients are all unknown. */
async function startHarvest(options: EdgeOptions = {}, isTrusted = false) {
  const clock = createFakeClock();
  let asked = 0;
  const rcpt = async () => {
    asked += 1;
    return UNKNOWN;
  };
  const scripted = createScriptedHandler({ rcpt });
  const handler: ConnectionHandler = {
    async connect(client, signal) {
      const answer = await scripted.connect(client, signal);
      return "code" in answer ? answer : { ...answer, isTrusted };
    },
  };
  const edge = await startEdge(handler, { clock, ...options });
  const enter = async () => {
    const client = await edge.greeted();
    await client.say("EHLO client.test");
    await client.say("MAIL FROM:<>");
    return client;
  };
  const leave = async (client: RawClient) => {
    client.destroy();
    await waitUntil(
      () => "the client's place is not free",
      () => (edge.counters.open() === 0 ? true : undefined),
    );
  };
  const assertLate = async (client: RawClient, ms: number) => {
    const before = asked;
    await client.sendNow(`${RCPT}\r\n`);
    await waitUntil(
      () => "the handler is not asked",
      () => (asked > before ? true : undefined),
    );
    await arrived();
    await clock.advance(ms - 1);
    assert.equal(client.pending, "");
    await clock.advance(1);
    assert.equal((await client.reply()).code, 550);
  };
  return { clock, edge, enter, leave, assertLate };
}

test("unknown recipients beyond the soft limit are answered five seconds late", async () => {
  const { assertLate, edge, enter } = await startHarvest();
  await using _ = edge;
  const client = await enter();
  for (let i = 0; i < 10; i++) assert.equal((await client.say(RCPT)).code, 550);
  await assertLate(client, 5 * SECOND);
});

test("a client that comes again keeps its count, and loses it after ten minutes", async () => {
  const { assertLate, clock, edge, enter, leave } = await startHarvest();
  await using _ = edge;
  for (const known of [4, 6]) {
    const client = await enter();
    for (let i = 0; i < known; i++) assert.equal((await client.say(RCPT)).code, 550);
    await leave(client);
  }
  const again = await enter();
  await assertLate(again, 5 * SECOND);
  await leave(again);
  await clock.advance(10 * 60 * SECOND);
  const later = await enter();
  assert.equal((await later.say(RCPT)).code, 550);
});

test("beyond the hard limit the next unknown recipient ends the session", async () => {
  const limits = { session: { unknownSoft: 3, unknownHard: 3 } };
  const { edge, enter, leave } = await startHarvest({ limits });
  await using _ = edge;
  const first = await enter();
  for (let i = 0; i < 3; i++) assert.equal((await first.say(RCPT)).code, 550);
  await leave(first);
  const second = await enter();
  assert.equal((await second.say(RCPT)).text.slice(0, 9), "421 4.7.0");
  assert.equal(await second.closed(), "");
});

test("what is wrong otherwise is no unknown recipient", async () => {
  const limits = { session: { unknownSoft: 1, unknownHard: 1 } };
  const { edge, enter } = await startHarvest({ limits });
  await using _ = edge;
  const client = await enter();
  for (let i = 0; i < 5; i++) assert.equal((await client.say("FOO")).code, 500);
});

test("a client for whom somebody vouches may name unknown recipients as he likes", async () => {
  const limits = { session: { unknownSoft: 1, unknownHard: 1 } };
  const { edge, enter, leave } = await startHarvest({ limits }, true);
  await using _ = edge;
  for (let session = 0; session < 2; session++) {
    const client = await enter();
    for (let i = 0; i < 4; i++) assert.equal((await client.say(RCPT)).code, 550);
    await leave(client);
  }
});

for (const kind of ["hub", "partner"] as const) {
  test(`unknown recipients of a client of a ${kind} listener are not counted`, async () => {
    const limits = { session: { unknownSoft: 1, unknownHard: 1 } };
    const { edge, enter } = await startHarvest({ limits, kind });
    await using _ = edge;
    const client = await enter();
    for (let i = 0; i < 5; i++) assert.equal((await client.say(RCPT)).code, 550);
  });
}
