import assert from "node:assert/strict";
import { test } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { callControl } from "../../src/control/call-control.ts";
import { controlPath } from "../../src/control/control.ts";
import type { TransactionStory } from "../../src/tracking/tracking.ts";
import { findFreeTcpPort } from "../support/free-port.ts";
import { type HubOptions, startScriptedHub } from "../support/scripted-hub.ts";
import { SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";

const CALL_OUT = { domains: { domains: { "example.org": {} } } };
const clock = createSystemClock();

async function withEdge(
  options: HubOptions,
  policies: Readonly<Record<string, unknown>>,
  work: (edge: TestGateway, hub: Awaited<ReturnType<typeof startScriptedHub>>) => Promise<void>,
): Promise<void> {
  const hub = await startScriptedHub(options);
  const edge = await startTestGateway({ hubPort: hub.port, policies });
  try {
    await work(edge, hub);
  } finally {
    await edge.remove();
    await hub.close();
  }
}

async function explain(edge: TestGateway, id: string | null): Promise<TransactionStory> {
  const request = { command: "explain", args: { id } };
  const path = controlPath(`${edge.folder}/data`);
  const [story] = await callControl(path, request, { timeoutMs: 5000, clock });
  return story as TransactionStory;
}

test("while the hub is down mail gets 250, rests in the spool, and arrives once it is back", async () => {
  const port = await findFreeTcpPort();
  const edge = await startTestGateway({ hubPort: port });
  try {
    const sent = await sendMail({ port: edge.port, message: SIMPLE_MESSAGE });
    assert.equal(sent.final?.code, 250);
    assert.equal((await edge.waitForLog("decided")).via, "spool");
    const hub = await startScriptedHub({ port });
    try {
      await edge.stop();
      const again = await startTestGateway({ hubPort: port, folder: edge.folder });
      const messages = await hub.waitForMessages(1);
      assert.deepEqual(messages[0]?.recipients, ["alice@example.org"]);
      await again.waitForLog("delivered");
      const story = await explain(again, sent.id);
      assert.deepEqual(story.fate.map(({ kind }) => kind).at(-1), "delivered");
      await again.stop();
      assert.equal(hub.messages.length, 1);
    } finally {
      await hub.close();
    }
  } finally {
    await edge.remove();
  }
});

test("the hub's 550 for one of two recipients is said at RCPT, and its words are for explain only", async () => {
  const script: HubOptions["script"] = ({ step, line }) =>
    step === "rcpt" && line.includes("bob") ? "550 5.1.1 No Bob here" : undefined;
  await withEdge({ script }, CALL_OUT, async (edge, hub) => {
    const to = ["alice@example.org", "bob@example.org"];
    const sent = await sendMail({ port: edge.port, to, message: SIMPLE_MESSAGE });
    assert.equal(sent.rcpt[0]?.code, 250);
    assert.match(sent.rcpt[1]?.text ?? "", /^550 5\.1\.1 Recipient unknown \(ref /);
    assert.equal(sent.final?.code, 250);
    assert.deepEqual((await hub.waitForMessages(1))[0]?.recipients, ["alice@example.org"]);
    const { record } = await explain(edge, sent.id);
    const findings = record.reports.flatMap(({ verdict }) => verdict.findings);
    assert.ok(findings.some(({ detail }) => detail === "hub: 550 5.1.1 No Bob here"));
  });
});

test("a copy that the hub refuses after all ends in quarantine, never nowhere", async () => {
  let probed = 0;
  const script: HubOptions["script"] = ({ step, line }) => {
    if (step !== "rcpt" || !line.includes("bob")) return undefined;
    probed += 1;
    return probed > 1 ? "550 5.2.1 Bob has left" : undefined;
  };
  await withEdge({ script }, CALL_OUT, async (edge) => {
    const to = ["alice@example.org", "bob@example.org"];
    const sent = await sendMail({ port: edge.port, to, message: SIMPLE_MESSAGE });
    assert.equal(sent.final?.code, 250);
    const held = await edge.waitForLog("held");
    assert.deepEqual([held.cause, held.recipients], ["undeliverable", ["bob@example.org"]]);
    const story = await explain(edge, sent.id);
    assert.deepEqual(
      new Set(story.fate.map(({ kind }) => kind)),
      new Set(["delivered", "refused", "held"]),
    );
  });
});

test("the hub's refusal of the whole message is passed on and nothing is kept", async () => {
  const script: HubOptions["script"] = ({ step }) =>
    step === "dot" ? "554 5.7.9 Not on my watch" : undefined;
  await withEdge({ script }, {}, async (edge) => {
    const sent = await sendMail({ port: edge.port, message: SIMPLE_MESSAGE });
    assert.match(sent.final?.text ?? "", /^554 5\.7\.9 Not on my watch \(ref /);
    const line = await edge.waitForLog("decided");
    assert.deepEqual([line.action, line.cause, line.via], ["reject", "hub-refused", null]);
  });
});

test("a hub that closes with 421 counts as away: the mail is spooled", async () => {
  const script: HubOptions["script"] = ({ step }) =>
    step === "mail" ? { drop: true, reply: "421 4.3.2 Going down" } : undefined;
  await withEdge({ script }, {}, async (edge) => {
    const sent = await sendMail({ port: edge.port, message: SIMPLE_MESSAGE });
    assert.equal(sent.final?.code, 250);
    assert.equal((await edge.waitForLog("decided")).via, "spool");
  });
});

test("a hub that answers long after the dot gets the message once", async () => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const script: HubOptions["script"] = async ({ step }) => {
    if (step === "dot") await released;
    return undefined;
  };
  const limits = { delivery: { waitSeconds: 1, retryFirstSeconds: 1, retryMaxSeconds: 1 } };
  await withEdge({ script }, { limits }, async (edge, hub) => {
    const sent = await sendMail({ port: edge.port, message: SIMPLE_MESSAGE });
    assert.equal(sent.final?.code, 250, "the client does not wait for ever");
    assert.equal((await edge.waitForLog("decided")).via, "spool");
    release();
    await edge.waitForLog("delivered");
    await edge.stop();
    assert.equal(hub.messages.length, 1);
    assert.equal(hub.connections, 1);
  });
});

test("the bare postmaster is delivered to the first accepted domain's hub as spoken", async () => {
  await withEdge({}, {}, async (edge, hub) => {
    const sent = await sendMail({ port: edge.port, to: ["Postmaster"], message: SIMPLE_MESSAGE });
    assert.equal(sent.final?.code, 250);
    assert.deepEqual((await hub.waitForMessages(1))[0]?.recipients, ["Postmaster"]);
  });
});

test("8-bit mail for a 7-bit hub is refused in the session and never recoded", async () => {
  await withEdge({ capabilities: ["PIPELINING", "SIZE 1000000"] }, {}, async (edge, hub) => {
    const message = `${SIMPLE_MESSAGE}Grüße\r\n`;
    const sent = await sendMail({ port: edge.port, message, parameters: "BODY=8BITMIME" });
    assert.match(sent.final?.text ?? "", /^554 5\.6\.3 /);
    assert.equal(hub.messages.length, 0);
  });
});

test("raw 8-bit header text needs 8BITMIME of the hub; SMTPUTF8 only where the client said it", async () => {
  await withEdge({ capabilities: ["8BITMIME", "SIZE 1000000"] }, {}, async (edge, hub) => {
    const message = SIMPLE_MESSAGE.replace("Subject: Hello", "Subject: Grüße");
    const sent = await sendMail({ port: edge.port, message, parameters: "BODY=8BITMIME" });
    assert.equal(sent.final?.code, 250);
    assert.ok(hub.messages[0]?.data.includes("Subject: Grüße"), "unchanged");
  });
  await withEdge({ capabilities: ["SMTPUTF8", "8BITMIME"] }, {}, async (edge, hub) => {
    const message = SIMPLE_MESSAGE.replace("Subject: Hello", "Subject: Grüße");
    const parameters = "BODY=8BITMIME SMTPUTF8";
    const sent = await sendMail({ port: edge.port, message, parameters });
    assert.equal(sent.final?.code, 250);
    assert.match(hub.messages[0]?.mailLine ?? "", /SMTPUTF8/);
  });
});
