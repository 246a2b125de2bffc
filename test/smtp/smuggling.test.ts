import assert from "node:assert/strict";
import { test } from "node:test";
import type { RawClient } from "../support/raw-client.ts";
import { createScriptedHandler } from "../support/scripted-handler.ts";
import { startEdge } from "../support/smtp-edge.ts";

/** What may stand before and after a lone dot (threats.md P1). */
const ENDINGS = [
  "",
  "\r",
  "\n",
  "\0",
  "\r\n",
  "\n\r",
  "\r\r",
  "\n\n",
  "\r\0\n",
  "\0\r\n",
  "\r\n\0",
];
const SMUGGLED = "MAIL FROM:<evil@client.test>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nevil";

async function inData(client: RawClient): Promise<void> {
  client.send("EHLO client.test\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n");
  for (const code of [250, 250, 250, 354]) assert.equal((await client.reply()).code, code);
}

/** One reply for the message, then one for NOOP, and never more than one transaction. */
async function assertOneTransaction(send: (client: RawClient) => Promise<void>): Promise<void> {
  const handler = createScriptedHandler();
  await using edge = await startEdge(handler);
  const client = await edge.greeted();
  await inData(client);
  await send(client);
  const reply = await client.reply();
  assert([250, 550].includes(reply.code), reply.text);
  assert.equal((await client.say("NOOP")).text, "250 2.0.0 OK");
  assert.equal(client.pending, "");
  assert.equal(handler.sessions[0]?.transactions.length, 1);
  assert.equal(handler.delivered().length, reply.code === 250 ? 1 : 0);
  client.destroy();
}

for (const before of ENDINGS) {
  for (const after of ENDINGS) {
    // This one is the end, and what follows it a transaction that the client may open.
    if (before.endsWith("\r\n") && after.startsWith("\r\n")) continue;
    test(`${JSON.stringify(`${before}.${after}`)} does not end a message`, async () => {
      await assertOneTransaction(async (client) => {
        client.send(`Subject: x\r\n\r\nhi${before}.${after}${SMUGGLED}\r\n.\r\n`);
      });
    });
  }
}

for (const lone of ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r\r\n", "\r\n\0.\r\n"]) {
  const message = `hi${lone}MAIL FROM:<evil@x.test>\r\n.\r\n`;
  test(`${JSON.stringify(lone)} does not end a message wherever the network cuts it`, async () => {
    for (let cut = 1; cut < message.length; cut++) {
      await assertOneTransaction(async (client) => {
        await client.sendNow(message.slice(0, cut));
        await client.sendNow(message.slice(cut));
      });
    }
  });
}
