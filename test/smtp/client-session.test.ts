import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { type TestContext, test } from "node:test";
import { ClientSession } from "../../src/smtp/client-session.ts";
import { TurnWriter } from "../../src/smtp/turn-writer.ts";
import { afterwards } from "../support/afterwards.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { type HubOptions, hubFor } from "../support/scripted-hub.ts";

async function sessionFor(t: TestContext, options: HubOptions = {}) {
  const hub = await hubFor(t, options);
  const clock = createFakeClock();
  const connection = connect(hub.port, hub.host);
  await once(connection, "connect");
  const { host, port } = hub;
  const session = new ClientSession(
    { connection, host, port, name: "mx.example.org", ignoreTLS: true },
    clock,
    new TurnWriter(),
  );
  afterwards(t, () => session.fail("the test is over"));
  assert.equal(await session.establish(30_000), null);
  return { hub, clock, session };
}

test("of commands that leave together each has its own limit, from the answer before it", async (t) => {
  const { hub, clock, session } = await sessionFor(t, {
    script: ({ step }) => (step === "rcpt" ? { hang: true } : undefined),
  });
  const asked: Promise<unknown>[] = [];
  session.batch(() => {
    asked.push(session.exchange("MAIL FROM:<a@x>", 60_000));
    asked.push(session.exchange("RCPT TO:<b@x>", 5000));
  });
  await asked[0];
  await hub.waitFor(() => hub.count("rcpt") === 1);
  await clock.advance(4999);
  assert.equal(session.isOver, false);
  await clock.advance(1);
  assert.deepEqual(await asked[1], {
    kind: "lost",
    reason: "no answer to RCPT within 5000 ms",
    reply: null,
  });
  assert.equal(clock.pendingTimers(), 0);
});

test("an answered command leaves no limit to the time in which nothing is asked", async (t) => {
  const { clock, session } = await sessionFor(t);
  await session.exchange("MAIL FROM:<a@x>", 5000);
  await clock.advance(60_000);
  assert.equal(session.isOver, false);
  await session.exchange("RSET", 5000);
  session.close();
  assert.equal(clock.pendingTimers(), 0);
});

test("what is given in one turn leaves in order, a block among it too", async (t) => {
  const { hub, session } = await sessionFor(t);
  const first = session.exchange("MAIL FROM:<a@x>", 5000);
  const block = session.write(Buffer.from("RCPT TO:<b@x>\r\n"), 5000);
  const second = session.expect(5000, "RCPT");
  session.tell(Buffer.from("RSET\r\n"));
  const third = session.expect(5000, "RSET");
  assert.equal(await block, true);
  const answers = await Promise.all([first, second, third]);
  assert.ok(answers.every(({ kind }) => kind === "reply"));
  assert.deepEqual(hub.lines.slice(-3), ["MAIL FROM:<a@x>", "RCPT TO:<b@x>", "RSET"]);
});

test("what was given in the turn in which the session fails does not leave", async (t) => {
  const { hub, session } = await sessionFor(t);
  const lines = hub.lines.length;
  const asked = session.exchange("MAIL FROM:<a@x>", 5000);
  const block = session.write(Buffer.from("RCPT TO:<b@x>\r\n"), 5000);
  session.fail("by the test");
  assert.deepEqual(await asked, { kind: "lost", reason: "by the test", reply: null });
  assert.equal(await block, false);
  await hub.waitFor(() => hub.openConnections() === 0);
  assert.equal(hub.lines.length, lines);
});

test("replies that nobody asked for are not kept, though the last one never ends", async (t) => {
  const whole = "250-2.1.5 more\r\n250 2.1.5 ok\r\n".repeat(20);
  const { clock, session } = await sessionFor(t, {
    script: ({ step }) =>
      step === "mail" ? { reply: "250 2.1.0 ok", inject: `${whole}250-and\r\n` } : undefined,
  });
  assert.deepEqual(await session.exchange("MAIL FROM:<a@x>", 60_000), {
    kind: "lost",
    reason: "the server answers what was not asked",
    reply: null,
  });
  assert.equal(session.isOver, true);
  assert.equal(clock.pendingTimers(), 0);
});
