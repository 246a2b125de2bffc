import assert from "node:assert/strict";
import { test } from "node:test";
import type { RawClient } from "../support/raw-client.ts";
import { SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import { greet, withEdge } from "../support/with-edge.ts";

const DSN_HUB = { capabilities: ["PIPELINING", "8BITMIME", "SMTPUTF8", "DSN"] };
const MAIL = "MAIL FROM:<carol@friend.test>";
const RCPT = "RCPT TO:<alice@example.org>";
const ORCPT = "rfc822;alice+2Bx@example.org";

async function sendData(client: RawClient): Promise<number> {
  assert.equal((await client.say("DATA")).code, 354);
  client.send(`${SIMPLE_MESSAGE}.\r\n`);
  return (await client.reply()).code;
}

test("DSN is offered once every hub is known to offer it, and spoken to the hub as it came", async () => {
  await withEdge({ hub: DSN_HUB }, async (edge, hub) => {
    const early = await greet(edge);
    assert.equal((await early.say(`${MAIL} RET=HDRS`)).text.slice(0, 9), "555 5.5.4");
    early.destroy();
    assert.equal((await sendMail({ port: edge.port, message: SIMPLE_MESSAGE })).final?.code, 250);
    const client = await greet(edge);
    assert.ok((await client.say("EHLO client.test")).lines.includes("DSN"));
    assert.equal((await client.say(`${MAIL} RET=HDRS ENVID=a+2Bb`)).code, 250);
    assert.equal((await client.say(`${RCPT} NOTIFY=SUCCESS,DELAY ORCPT=${ORCPT}`)).code, 250);
    assert.equal(await sendData(client), 250);
    assert.match(hub.messages[1]?.mailLine ?? "", / RET=HDRS ENVID=a\+2Bb$/);
    assert.deepEqual(hub.messages[1]?.rcptLines, [`${RCPT} NOTIFY=SUCCESS,DELAY ORCPT=${ORCPT}`]);
    client.destroy();
  });
});

test("DSN parameters leak neither from a refused MAIL nor from an earlier transaction", async () => {
  await withEdge({ hub: DSN_HUB }, async (edge, hub) => {
    await sendMail({ port: edge.port, message: SIMPLE_MESSAGE });
    const client = await greet(edge);
    assert.equal((await client.say(`${MAIL} RET=FULL ENVID=x FOO=1`)).code, 555);
    assert.equal((await client.say(`${MAIL} RET=FULL ENVID=y`)).code, 250);
    assert.equal((await client.say(`${RCPT} NOTIFY=NEVER`)).code, 250);
    await client.say("RSET");
    await client.say(MAIL);
    await client.say(RCPT);
    assert.equal(await sendData(client), 250);
    assert.doesNotMatch(hub.messages[1]?.mailLine ?? "RET", /RET=|ENVID=/);
    assert.deepEqual(hub.messages[1]?.rcptLines, [RCPT]);
    client.destroy();
  });
});

test("DSN is not offered for a hub that lacks it", async () => {
  await withEdge({}, async (edge) => {
    await sendMail({ port: edge.port, message: SIMPLE_MESSAGE });
    const client = await greet(edge);
    assert.ok(!(await client.say("EHLO client.test")).lines.includes("DSN"));
    assert.equal((await client.say(`${MAIL} ENVID=x`)).code, 555);
    client.destroy();
  });
});

test("DSN parameters go through the spool to the hub", async () => {
  let isAway = false;
  const script = ({ step }: { step: string }) =>
    isAway && step === "mail" ? { drop: true as const } : undefined;
  const limits = { delivery: { retryFirstSeconds: 1, retryMaxSeconds: 1 } };
  await withEdge({ hub: { ...DSN_HUB, script }, policies: { limits } }, async (edge, hub) => {
    await sendMail({ port: edge.port, message: SIMPLE_MESSAGE });
    const client = await greet(edge);
    isAway = true;
    await client.say(`${MAIL} RET=FULL ENVID=spooled`);
    await client.say(`${RCPT} NOTIFY=FAILURE ORCPT=${ORCPT}`);
    assert.equal(await sendData(client), 250);
    isAway = false;
    await hub.waitForMessages(2, 15_000);
    assert.match(hub.messages[1]?.mailLine ?? "", / RET=FULL ENVID=spooled$/);
    assert.deepEqual(hub.messages[1]?.rcptLines, [`${RCPT} NOTIFY=FAILURE ORCPT=${ORCPT}`]);
    client.destroy();
  });
});
