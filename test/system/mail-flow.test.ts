import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type ScriptedHub, startScriptedHub } from "../support/scripted-hub.ts";
import { SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";

let hub: ScriptedHub;
let edge: TestGateway;

before(async () => {
  hub = await startScriptedHub();
  edge = await startTestGateway({ hubPort: hub.port });
});

after(async () => {
  await edge.remove();
  await hub.close();
});

test("clean mail arrives at the hub byte for byte below our headers", async () => {
  const body = `8-bit \xe4\xf6\xfc\r\n.dot\r\n..two\r\ntrailing blanks  \r\n\r\n${"x".repeat(900)}\r\n`;
  const message = Buffer.from(SIMPLE_MESSAGE + body, "latin1");
  const sent = await sendMail({ port: edge.port, message, parameters: "BODY=8BITMIME" });
  assert.match(sent.final?.text ?? "", /^250 2\.0\.0 /);
  const [arrived] = await hub.waitForMessages(1);
  assert.deepEqual(
    [arrived?.sender, arrived?.recipients],
    ["carol@friend.test", ["alice@example.org"]],
  );
  const data = arrived!.data;
  assert.ok(data.subarray(-message.length).equals(message), "the message is unchanged");
  const added = data.subarray(0, data.length - message.length).toString("latin1");
  assert.match(added, /^Received: from mail\.friend\.test /);
  assert.match(added, new RegExp(`X-Postern-Id: ${sent.id}\r\n`));
});

test("the decided line carries the id that the client saw", async () => {
  const sent = await sendMail({ port: edge.port, message: SIMPLE_MESSAGE });
  const line = await edge.waitForLog("decided", ({ id }) => id === sent.id);
  assert.deepEqual(
    [line.action, line.via, line.recipients],
    ["relay", "hub", ["alice@example.org"]],
  );
  assert.equal(edge.log.filter(({ event, id }) => event === "decided" && id === sent.id).length, 1);
});

test("mail for a foreign domain or an unknown person is refused at RCPT with the reference", async () => {
  const sent = await sendMail({
    port: edge.port,
    to: ["x@elsewhere.test", "nobody@example.org"],
    message: SIMPLE_MESSAGE,
  });
  assert.match(sent.rcpt[0]?.text ?? "", /^550 5\.7\.1 .*\(ref [0-9A-Z]{18}\)$/);
  assert.match(sent.rcpt[1]?.text ?? "", /^550 5\.1\.1 .*\(ref [0-9A-Z]{18}\)$/);
  const line = await edge.waitForLog("decided", ({ id }) => id === sent.id);
  assert.deepEqual([line.action, line.cause], ["reject", "recipient-unknown"]);
});

test("an inbound header that claims to be ours never reaches the hub", async () => {
  const count = hub.messages.length;
  const message = `X-Postern-SCL: -1\r\nAuthentication-Results: mx.example.org; spf=pass\r\n${SIMPLE_MESSAGE}`;
  await sendMail({ port: edge.port, message });
  const messages = await hub.waitForMessages(count + 1);
  const text = messages[count]!.data.toString("latin1");
  assert.doesNotMatch(text, /X-Postern-SCL: -1/);
  assert.equal(text.match(/^Authentication-Results: mx\.example\.org/gm)?.length, 1);
});
