import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../../src/base/clock.ts";
import type { Authenticator } from "../../src/smtp/authenticator.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { createScriptedHandler } from "../support/scripted-handler.ts";
import { startEdge } from "../support/smtp-edge.ts";
import { waitUntil } from "../support/wait-until.ts";

const WRONG = "AUTH PLAIN AGFsaWNlAHdyb25n";
const REFUSING: Authenticator = { logOn: async () => ({ kind: "refused" }) };

async function startSecured(authenticator: Authenticator, limits = {}) {
  const fake = createFakeClock();
  const armed: number[] = [];
  const after: Clock["after"] = (ms, fn) => {
    armed.push(ms);
    return fake.after(ms, fn);
  };
  const clock = { ...fake, after };
  const handler = createScriptedHandler();
  const options = { kind: "hub", listenerRules: { logon: "permission" }, limits } as const;
  const edge = await startEdge(handler, { ...options, clock, authenticator });
  const client = await edge.greeted();
  await client.say("STARTTLS");
  const { socket } = client;
  await client.secure();
  await client.say("EHLO client.test");
  /** A reply is being held back for so long: what came before it was read. */
  const delayed = (ms: number) =>
    waitUntil(
      () => `no reply is held back; timers were of ${armed.join(", ")}`,
      () => armed.includes(ms) || undefined,
    );
  // A mere end would leave the half of the connection on which the reply is awaited.
  const reset = () => socket.resetAndDestroy();
  return { clock, handler, edge, client, delayed, reset };
}

test("a failed log-on is answered after five seconds, and nothing behind it sooner", async () => {
  const { clock, edge, client, delayed } = await startSecured(REFUSING);
  await using _ = edge;
  await client.sendNow(`${WRONG}\r\nNOOP\r\n`);
  await delayed(5000);
  await clock.advance(4999);
  assert.equal(client.pending, "");
  await clock.advance(1);
  assert.equal((await client.reply()).text.slice(0, 9), "535 5.7.8");
  assert.equal((await client.reply()).code, 250);
});

test("a client that leaves while it waits leaves nothing behind", async () => {
  const { clock, edge, client, handler, delayed, reset } = await startSecured(REFUSING);
  await using _ = edge;
  await client.sendNow(`${WRONG}\r\n`);
  await delayed(5000);
  reset();
  await waitUntil(
    () => "the session goes on",
    () => handler.sessions[0]?.closed ?? undefined,
  );
  assert.equal(clock.pendingTimers(), 0);
});

test("drain does not wait for it", async () => {
  const { edge, client, delayed } = await startSecured(REFUSING);
  await using _ = edge;
  await client.sendNow(`${WRONG}\r\n`);
  await delayed(5000);
  const drained = edge.drain(1000);
  const said = await client.closed();
  assert.match(said, /^535 5\.7\.8 .*\r\n421 4\.3\.2 /);
  await drained;
});

test("a blocked address is told so and the session ends, at once", async () => {
  const blocked: Authenticator = { logOn: async () => ({ kind: "blocked" }) };
  const { edge, client } = await startSecured(blocked);
  await using _ = edge;
  assert.equal((await client.say(WRONG)).text.slice(0, 9), "421 4.7.0");
  assert.equal(await client.closed(), "");
});

test("when nobody can judge a password the client may come again", async () => {
  const away: Authenticator = { logOn: async () => ({ kind: "unavailable" }) };
  const { edge, client } = await startSecured(away);
  await using _ = edge;
  for (let i = 0; i < 5; i++) assert.equal((await client.say(WRONG)).text.slice(0, 9), "454 4.7.0");
  assert.equal((await client.say("NOOP")).code, 250);
});

test("a stranger on a hub listener with users errs as expensively as one on the internet", async () => {
  const { clock, edge, client, delayed } = await startSecured(REFUSING, {
    session: { errorsSoft: 1 },
  });
  await using _ = edge;
  assert.equal((await client.say("FOO")).code, 500);
  await client.sendNow("FOO\r\n");
  await delayed(1000);
  assert.equal(client.pending, "");
  await clock.advance(1000);
  assert.equal((await client.reply()).code, 500);
});
