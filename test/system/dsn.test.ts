import assert from "node:assert/strict";
import { test } from "node:test";
import { startFakeDns } from "../support/fake-dns.ts";
import type { RawClient } from "../support/raw-client.ts";
import { startScriptedHub } from "../support/scripted-hub.ts";
import { SIMPLE_MESSAGE } from "../support/send-mail.ts";
import { startTestGateway } from "../support/test-gateway.ts";
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

test("DSN is offered from the first hello on, and spoken to a hub that offers it as it came", async () => {
  await withEdge({ hub: DSN_HUB }, async (edge, hub) => {
    const client = await greet(edge);
    assert.ok((await client.say("EHLO client.test")).lines.includes("DSN"));
    assert.equal((await client.say(`${MAIL} RET=HDRS ENVID=a+2Bb`)).code, 250);
    assert.equal((await client.say(`${RCPT} NOTIFY=SUCCESS,DELAY ORCPT=${ORCPT}`)).code, 250);
    assert.equal(await sendData(client), 250);
    assert.match(hub.messages[0]?.mailLine ?? "", / RET=HDRS ENVID=a\+2Bb$/);
    assert.deepEqual(hub.messages[0]?.rcptLines, [`${RCPT} NOTIFY=SUCCESS,DELAY ORCPT=${ORCPT}`]);
    client.destroy();
  });
});

test("DSN parameters leak neither from a refused MAIL nor from an earlier transaction", async () => {
  await withEdge({ hub: DSN_HUB }, async (edge, hub) => {
    const client = await greet(edge);
    assert.equal((await client.say(`${MAIL} RET=FULL ENVID=x FOO=1`)).code, 555);
    assert.equal((await client.say(`${MAIL} RET=FULL ENVID=y`)).code, 250);
    assert.equal((await client.say(`${RCPT} NOTIFY=NEVER`)).code, 250);
    await client.say("RSET");
    await client.say(MAIL);
    await client.say(RCPT);
    assert.equal(await sendData(client), 250);
    assert.doesNotMatch(hub.messages[0]?.mailLine ?? "RET=", /RET=|ENVID=/);
    assert.deepEqual(hub.messages[0]?.rcptLines, [RCPT]);
    client.destroy();
  });
});

test("a hub without DSN hears nothing of it, and its success is told to a sender who passed SPF", async () => {
  await using cleanUp = new AsyncDisposableStack();
  const dns = await startFakeDns({ "friend.test": { TXT: ["v=spf1 ip4:127.0.0.1 -all"] } });
  cleanUp.defer(() => dns.close());
  const outside = await startScriptedHub();
  cleanUp.defer(() => outside.close());
  const routing = (hubPort: number) => ({
    connectors: {
      hub: { domains: ["example.org"], smarthosts: [`127.0.0.1:${hubPort}`] },
      out: { domains: ["*"], smarthosts: [`127.0.0.1:${outside.port}`] },
    },
  });
  const hub = await startScriptedHub();
  cleanUp.defer(() => hub.close());
  const policies = { routing: routing(hub.port) };
  const options = { hubPort: hub.port, dnsServer: dns.address, policies };
  const edge = await startTestGateway(options);
  cleanUp.defer(() => edge.remove());
  const client = await greet(edge);
  cleanUp.defer(() => client.destroy());
  assert.equal((await client.say(`${MAIL} ENVID=e4711`)).code, 250);
  assert.equal((await client.say(`${RCPT} NOTIFY=SUCCESS ORCPT=${ORCPT}`)).code, 250);
  assert.equal((await client.say("RCPT TO:<bob@example.org> NOTIFY=FAILURE")).code, 250);
  assert.equal(await sendData(client), 250);
  const [notice] = await outside.waitForMessages(1);
  assert.deepEqual(hub.messages[0]?.rcptLines, [RCPT, "RCPT TO:<bob@example.org>"]);
  assert.deepEqual([notice?.sender, notice?.recipients], ["", ["carol@friend.test"]]);
  const text = notice?.data.toString() ?? "";
  assert.match(text, /^Original-Envelope-Id: e4711\r$/m);
  assert.match(text, /^Original-Recipient: rfc822; alice\+x@example\.org\r$/m);
  assert.match(text, /^Final-Recipient: rfc822; alice@example\.org\r\nAction: relayed\r$/m);
  assert.doesNotMatch(text, /bob@example\.org/);
  const told = await edge.waitForLog("told-of-relay");
  assert.deepEqual([told.bounceTo, told.recipients], ["carol@friend.test", ["alice@example.org"]]);
});

test("DSN parameters go through the spool to the hub", async () => {
  let isAway = false;
  const script = ({ step }: { step: string }) =>
    isAway && step === "mail" ? { drop: true as const } : undefined;
  const limits = { delivery: { retryFirstSeconds: 1, retryMaxSeconds: 1 } };
  await withEdge({ hub: { ...DSN_HUB, script }, policies: { limits } }, async (edge, hub) => {
    const client = await greet(edge);
    isAway = true;
    await client.say(`${MAIL} RET=FULL ENVID=spooled`);
    await client.say(`${RCPT} NOTIFY=FAILURE ORCPT=${ORCPT}`);
    assert.equal(await sendData(client), 250);
    isAway = false;
    await hub.waitForMessages(1, 30_000);
    assert.match(hub.messages[0]?.mailLine ?? "", / RET=FULL ENVID=spooled$/);
    assert.deepEqual(hub.messages[0]?.rcptLines, [`${RCPT} NOTIFY=FAILURE ORCPT=${ORCPT}`]);
    client.destroy();
  });
});
