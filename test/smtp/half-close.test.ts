import assert from "node:assert/strict";
import { test } from "node:test";
import { createScriptedHandler } from "../support/scripted-handler.ts";
import { startEdge } from "../support/smtp-edge.ts";
import { waitUntil } from "../support/wait-until.ts";

/** As Exim does: QUIT in one segment with the final dot, then no more. */
const LAST_WORDS = "Subject: x\r\n\r\nhi\r\n.\r\nQUIT\r\n";

for (const secure of [false, true]) {
  const over = secure ? "TLS" : "plain TCP";
  test(`a client that closes its half behind the final dot hears our promise, over ${over}`, async () => {
    const handler = createScriptedHandler();
    await using edge = await startEdge(handler);
    const client = await edge.greeted();
    if (secure) {
      await client.say("STARTTLS");
      await client.secure();
    }
    for (const line of ["EHLO client.test", "MAIL FROM:<>", "RCPT TO:<bob@example.org>"])
      assert.equal((await client.say(line)).code, 250);
    assert.equal((await client.say("DATA")).code, 354);
    client.socket.end(LAST_WORDS);
    assert.equal((await client.reply()).code, 250);
    assert.equal((await client.reply()).code, 221);
    assert.equal(await client.closed(), "");
    assert.equal(handler.delivered().length, 1);
  });
}

test("a client that closes its half with nothing under way has left", async () => {
  const handler = createScriptedHandler();
  await using edge = await startEdge(handler);
  const client = await edge.greeted();
  await client.say("EHLO client.test");
  client.socket.end("MAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n");
  await client.closed();
  assert.deepEqual(handler.delivered(), []);
  await waitUntil(
    () => "it is still counted",
    () => edge.counters.open() === 0 || undefined,
  );
});

test("half a message of a client that closes its half is no message", async () => {
  const handler = createScriptedHandler();
  await using edge = await startEdge(handler);
  const client = await edge.greeted();
  for (const line of ["EHLO client.test", "MAIL FROM:<>", "RCPT TO:<bob@example.org>", "DATA"])
    await client.say(line);
  client.socket.end("Subject: x\r\n\r\nhalf a mess");
  await client.closed();
  assert.equal(handler.sessions[0]?.transactions[0]?.end, "gone");
});
