import assert from "node:assert/strict";
import { test } from "node:test";
import type { RawClient } from "../support/raw-client.ts";
import { arrived, assertGoodbye, startTimedSession as start } from "../support/timed-session.ts";
import { waitUntil } from "../support/wait-until.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;

async function inData(client: RawClient, mail = "MAIL FROM:<>"): Promise<void> {
  await client.say("EHLO client.test");
  await client.say(mail);
  await client.say("RCPT TO:<bob@example.org>");
  assert.equal((await client.say("DATA")).code, 354);
}

test("a client may think for five minutes before a command and no longer", async () => {
  const { clock, edge, client, handler } = await start();
  await using _ = edge;
  await clock.advance(5 * MINUTE - 1);
  assert.equal((await client.say("NOOP")).code, 250);
  await clock.advance(5 * MINUTE - 1);
  assert.equal(client.pending, "");
  await clock.advance(1);
  await assertGoodbye(client, "4.4.2");
  assert.equal(handler.sessions[0]?.closed, "timeout");
});

test("a command that has begun must end within a minute, whatever trickles in", async () => {
  const { clock, edge, client } = await start();
  await using _ = edge;
  for (let second = 0; second < 59; second++) {
    await client.sendNow("N");
    await arrived();
    await clock.advance(SECOND);
  }
  assert.equal(client.pending, "");
  await client.sendNow("N");
  await arrived();
  await clock.advance(SECOND);
  await assertGoodbye(client, "4.4.2");
});

test("a session lasts half an hour at most, also a busy one", async () => {
  const { clock, edge, client } = await start();
  await using _ = edge;
  for (let minute = 0; minute < 29; minute += 4) {
    await clock.advance(4 * MINUTE - 1);
    if (minute < 28) assert.equal((await client.say("NOOP")).code, 250);
  }
  await assertGoodbye(client, "4.4.2");
});

test("DATA is not cut off by the end of the session, the next command is", async () => {
  const { clock, edge, client } = await start({ limits: { session: { totalSeconds: 30 } } });
  await using _ = edge;
  await inData(client);
  await clock.advance(40 * SECOND);
  assert.equal((await client.say("Subject: x\r\n\r\nhi\r\n.")).code, 250);
  await clock.advance(1);
  await assertGoodbye(client, "4.4.2");
});

test("errors are answered at once ten times, then a second late each", async () => {
  const { clock, edge, client } = await start();
  await using _ = edge;
  for (let i = 0; i < 10; i++) assert.equal((await client.say("FOO")).code, 500);
  await client.sendNow("FOO\r\n");
  await arrived();
  await clock.advance(SECOND - 1);
  assert.equal(client.pending, "");
  await clock.advance(1);
  assert.equal((await client.reply()).code, 500);
  assert.equal((await client.say("NOOP")).code, 250);
});

test("DATA must come at 500 octets a second on the average after the first minute", async () => {
  const { clock, edge, client, handler } = await start();
  await using _ = edge;
  await inData(client);
  const block = `${"x".repeat(498)}\r\n`;
  await client.sendNow("Subject: x\r\n\r\n");
  await client.sendNow(block.repeat(90));
  await arrived();
  await clock.advance(90 * SECOND);
  assert.equal(client.pending, "");
  await clock.advance(SECOND);
  await assertGoodbye(client, "4.4.2");
  assert.equal(handler.sessions[0]?.transactions[0]?.end, "too-slow");
});

test("a client that sends nothing at all after 354 is gone after a minute", async () => {
  const { clock, edge, client } = await start();
  await using _ = edge;
  await inData(client);
  await clock.advance(MINUTE - 1);
  assert.equal(client.pending, "");
  await clock.advance(1);
  await assertGoodbye(client, "4.4.2");
});

test("a small message may take ten minutes in all, however fast its beginning was", async () => {
  const { clock, edge, client } = await start();
  await using _ = edge;
  await inData(client, "MAIL FROM:<> SIZE=1000");
  await client.sendNow(`Subject: x\r\n\r\n${"x".repeat(900_000)}`);
  await arrived();
  await clock.advance(10 * MINUTE - 1);
  assert.equal(client.pending, "");
  await clock.advance(1);
  await assertGoodbye(client, "4.4.2");
});

test("the largest message may take as long as 16 KiB a second need, up to half an hour", async () => {
  const { clock, edge, client } = await start(
    { limits: { message: { maxBytes: 40_000_000, minBytesPerSecond: 1 } } },
    { offers: { maxBytes: 40_000_000 } },
  );
  await using _ = edge;
  await inData(client);
  await client.sendNow(`Subject: x\r\n\r\n${"x".repeat(10_000)}`);
  await arrived();
  await clock.advance(30 * MINUTE - 1);
  assert.equal(client.pending, "");
  await clock.advance(1);
  await assertGoodbye(client, "4.4.2");
});

test("a TLS handshake that does not happen is given up", async () => {
  const { clock, edge, client, handler } = await start();
  await using _ = edge;
  await client.say("EHLO client.test");
  await client.say("STARTTLS");
  await clock.advance(30 * SECOND);
  assert.equal(await client.closed(), "");
  assert.equal(handler.sessions[0]?.closed, "TLS handshake failed");
});

test("a session that is over leaves no timer, whatever was waited for when it ended", async () => {
  const { clock, edge, client } = await start();
  await using _ = edge;
  const before = clock.pendingTimers();
  const leaving = await edge.greeted();
  await leaving.say("EHLO client.test");
  assert.equal(clock.pendingTimers(), before + 1);
  leaving.destroy();
  const quitting = await edge.greeted();
  assert.equal((await quitting.say("QUIT")).code, 221);
  await quitting.closed();
  await waitUntil(
    () => `${edge.counters.open()} sessions`,
    () => edge.counters.open() === 1 || undefined,
  );
  assert.equal(clock.pendingTimers(), before);
  assert.equal((await client.say("NOOP")).code, 250);
});

test("a client that reads no replies is not served for ever", async () => {
  const { clock, edge, handler } = await start({
    limits: { session: { idleCommands: 1_000_000 } },
  });
  await using _ = edge;
  const client = await edge.open();
  client.socket.pause();
  const flood = Buffer.from("EHLO a\r\n".repeat(10_000));
  const answered = () => handler.sessions[1]?.helos.length ?? 0;
  // Once nothing more can be said nothing is answered, and it is the client's turn.
  for (let idleTurns = 0; idleTurns < 100; ) {
    if (client.socket.writableLength <= 4_000_000) client.socket.write(flood);
    const before = answered();
    await arrived();
    idleTurns = answered() === before && before > 0 ? idleTurns + 1 : 0;
  }
  await clock.advance(5 * MINUTE);
  client.destroy();
  await arrived();
  assert.equal(handler.sessions[1]?.closed, "timeout");
});
