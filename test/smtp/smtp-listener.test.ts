import assert from "node:assert/strict";
import { test } from "node:test";
import { createConnectionCounters } from "../../src/smtp/connection-counters.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import type { RawClient } from "../support/raw-client.ts";
import { createScriptedHandler } from "../support/scripted-handler.ts";
import { type Edge, startEdge } from "../support/smtp-edge.ts";
import { waitUntil } from "../support/wait-until.ts";

async function assertServed(client: RawClient): Promise<void> {
  assert.equal((await client.reply()).code, 220);
}

async function assertTurnedAway(client: RawClient): Promise<void> {
  assert.equal((await client.reply()).text.slice(0, 9), "421 4.7.0");
  assert.equal(await client.closed(), "");
}

async function nobodyThere(edge: Edge): Promise<void> {
  await waitUntil(
    () => `${edge.counters.open()} connections are still counted`,
    () => edge.counters.open() === 0 || undefined,
  );
}

test("so many connections in all are served, the next is turned away", async () => {
  const handler = createScriptedHandler();
  await using edge = await startEdge(handler, { limits: { connections: { max: 2 } } });
  const clients = [await edge.open(), await edge.open({ localAddress: "127.0.0.2" })];
  for (const client of clients) await assertServed(client);
  await assertTurnedAway(await edge.open({ localAddress: "127.0.0.3" }));
  assert.equal(handler.sessions.length, 2);
  clients[0]?.destroy();
  await waitUntil(
    () => "the place was not freed",
    () => edge.counters.open() === 1 || undefined,
  );
  await assertServed(await edge.open({ localAddress: "127.0.0.3" }));
});

test("one client has so many connections, others are not affected", async () => {
  await using edge = await startEdge(createScriptedHandler(), {
    limits: { connections: { perClient: 2 } },
  });
  await assertServed(await edge.open());
  await assertServed(await edge.open());
  await assertTurnedAway(await edge.open());
  await assertServed(await edge.open({ localAddress: "127.0.0.2" }));
});

test("one client may connect so often a minute, and again in the next", async () => {
  const clock = createFakeClock();
  await using edge = await startEdge(createScriptedHandler(), {
    clock,
    limits: { connections: { newPerClientPerMinute: 3 } },
  });
  for (let i = 0; i < 3; i++) {
    const client = await edge.greeted();
    await client.say("QUIT");
    await client.closed();
    client.destroy();
  }
  await assertTurnedAway(await edge.open());
  await clock.advance(60_000);
  await assertServed(await edge.open());
});

test("listeners of one gateway count together", async () => {
  const clock = createFakeClock();
  const counters = createConnectionCounters({ clock, max: () => 9, stressChanged: () => {} });
  const options = { counters, limits: { connections: { perClient: 1 } } };
  await using first = await startEdge(createScriptedHandler(), options);
  await using second = await startEdge(createScriptedHandler(), options);
  await assertServed(await first.open());
  await assertTurnedAway(await second.open());
});

test("connections are counted off however they end", async () => {
  await using edge = await startEdge(createScriptedHandler());
  const quitting = await edge.greeted();
  await quitting.say("QUIT");
  const leaving = await edge.greeted();
  leaving.destroy();
  const resetting = await edge.greeted();
  resetting.socket.resetAndDestroy();
  const secure = await edge.greeted();
  await secure.say("STARTTLS");
  await secure.secure();
  secure.destroy();
  const failing = await edge.greeted();
  await failing.say("STARTTLS");
  failing.send("this is no ClientHello\r\n\r\n");
  await nobodyThere(edge);
});

test("drain says goodbye to clients that wait and lets a message end", async () => {
  const handler = createScriptedHandler();
  await using edge = await startEdge(handler);
  const idle = await edge.greeted();
  const open = await edge.greeted();
  await open.say("EHLO client.test");
  await open.say("MAIL FROM:<>");
  const busy = await edge.greeted();
  await busy.say("EHLO client.test");
  await busy.say("MAIL FROM:<>");
  await busy.say("RCPT TO:<bob@example.org>");
  await busy.say("DATA");

  const drained = edge.drain(60_000);
  for (const client of [idle, open]) {
    assert.equal((await client.reply()).text.slice(0, 9), "421 4.3.2");
    assert.equal(await client.closed(), "");
  }
  await assert.rejects(edge.open(), /ECONNREFUSED/);
  assert.equal((await busy.say("hi\r\n.")).code, 250);
  assert.equal((await busy.reply()).text.slice(0, 9), "421 4.3.2");
  await drained;
  assert.equal(handler.delivered().length, 1);
  assert.equal(handler.sessions[1]?.transactions[0]?.end, "dropped");
});

test("drain cuts off whoever is left at its deadline", async () => {
  const clock = createFakeClock();
  const handler = createScriptedHandler();
  await using edge = await startEdge(handler, { clock });
  const client = await edge.greeted();
  await client.say("EHLO client.test");
  await client.say("MAIL FROM:<>");
  await client.say("RCPT TO:<bob@example.org>");
  await client.say("DATA");
  const drained = edge.drain(30_000);
  await clock.advance(30_000);
  await drained;
  await client.closed();
  assert.equal(handler.sessions[0]?.transactions[0]?.end, "gone");
});

test("close ends every connection at once, TLS or not", async () => {
  const handler = createScriptedHandler();
  const edge = await startEdge(handler);
  const plain = await edge.greeted();
  const secure = await edge.greeted();
  await secure.say("STARTTLS");
  await secure.secure();
  await edge[Symbol.asyncDispose]();
  await plain.closed();
  await secure.closed();
  await nobodyThere(edge);
});

for (const secure of [false, true])
  test(`a promise made in the turn of the close is heard, over ${secure ? "TLS" : "plain TCP"}`, async () => {
    // The tick comes when the reply has been said, and before the turn is over.
    const handler = createScriptedHandler({
      async end() {
        process.nextTick(() => void edge[Symbol.asyncDispose]());
        return { code: 250, status: "0.0", text: "Kept" };
      },
    });
    const edge = await startEdge(handler);
    const client = await edge.greeted();
    if (secure) {
      await client.say("STARTTLS");
      await client.secure();
    }
    for (const line of ["EHLO client.test", "MAIL FROM:<>", "RCPT TO:<bob@example.org>", "DATA"])
      await client.say(line);
    assert.equal((await client.say("Subject: x\r\n\r\nhi\r\n.")).text, "250 2.0.0 Kept");
    await nobodyThere(edge);
  });

test("an address that is taken is an error of listen", async () => {
  await using edge = await startEdge(createScriptedHandler());
  await assert.rejects(startEdge(createScriptedHandler(), { port: edge.port }), /EADDRINUSE/);
});
