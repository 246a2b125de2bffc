import assert from "node:assert/strict";
import { test } from "node:test";
import { arrived, assertGoodbye, startTimedSession as start } from "../support/timed-session.ts";

const SECOND = 1000;

test("under stress a client that waits already has ten seconds more, and no longer", async () => {
  const { clock, edge, client } = await start();
  await using _ = edge;
  await clock.advance(100 * SECOND);
  edge.stress(true);
  await clock.advance(10 * SECOND - 1);
  assert.equal(client.pending, "");
  await clock.advance(1);
  await assertGoodbye(client, "4.4.2");
});

test("a client that comes under stress has ten seconds for each command", async () => {
  const { clock, edge } = await start();
  await using _ = edge;
  edge.stress(true);
  const client = await edge.greeted();
  await clock.advance(10 * SECOND - 1);
  assert.equal((await client.say("NOOP")).code, 250);
  await clock.advance(10 * SECOND - 1);
  assert.equal(client.pending, "");
  await clock.advance(1);
  await assertGoodbye(client, "4.4.2");
});

test("a command that trickles in has ten seconds under stress, not ten for each octet", async () => {
  const { clock, edge, client } = await start();
  await using _ = edge;
  edge.stress(true);
  await client.sendNow("N");
  await arrived();
  await clock.advance(6 * SECOND);
  await client.sendNow("O");
  await arrived();
  await clock.advance(4 * SECOND - 1);
  assert.equal(client.pending, "");
  await clock.advance(1);
  await assertGoodbye(client, "4.4.2");
});

test("when stress ends, whoever waits has again what was left to him", async () => {
  const { clock, edge, client } = await start();
  await using _ = edge;
  await clock.advance(100 * SECOND);
  edge.stress(true);
  await clock.advance(5 * SECOND);
  edge.stress(false);
  await clock.advance(195 * SECOND - 1);
  assert.equal(client.pending, "");
  await clock.advance(1);
  await assertGoodbye(client, "4.4.2");
});

test("under stress the second error ends an anonymous session, and after it the 21st again", async () => {
  const { edge, client } = await start({ limits: { session: { errorsSoft: 100 } } });
  await using _ = edge;
  for (let i = 0; i < 5; i++) assert.equal((await client.say("FOO")).code, 500);
  edge.stress(true);
  edge.stress(false);
  assert.equal((await client.say("FOO")).code, 500);
  edge.stress(true);
  client.send("FOO\r\n");
  await assertGoodbye(client, "4.7.0");
  const fresh = await edge.greeted();
  assert.equal((await fresh.say("FOO")).code, 500);
  fresh.send("FOO\r\n");
  await assertGoodbye(fresh, "4.7.0");
});

test("stress does not count a hub's errors more strictly", async () => {
  const { edge, client } = await start({ kind: "hub" });
  await using _ = edge;
  edge.stress(true);
  for (let i = 0; i < 20; i++) assert.equal((await client.say("FOO")).code, 500);
  client.send("FOO\r\n");
  await assertGoodbye(client, "4.7.0");
});

test("stress leaves a message under way its own deadlines", async () => {
  const { clock, edge, client } = await start();
  await using _ = edge;
  await client.say("EHLO client.test");
  await client.say("MAIL FROM:<>");
  await client.say("RCPT TO:<bob@example.org>");
  assert.equal((await client.say("DATA")).code, 354);
  edge.stress(true);
  await clock.advance(59 * SECOND);
  assert.equal((await client.say("Subject: x\r\n\r\nhi\r\n.")).code, 250);
  await clock.advance(10 * SECOND);
  await assertGoodbye(client, "4.4.2");
});
