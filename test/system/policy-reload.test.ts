import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { stringify } from "yaml";
import { PolicyError } from "../../src/base/errors.ts";
import { RawClient } from "../support/raw-client.ts";
import { type ScriptedHub, startScriptedHub } from "../support/scripted-hub.ts";
import { SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import { startTestGateway, TEST_POLICIES, type TestGateway } from "../support/test-gateway.ts";

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

const write = (name: string, text: string) =>
  writeFile(join(edge.folder, "policies", `${name}.yaml`), text);

test("a typo leaves the old policy in force and says where it is and what was meant", async () => {
  await write("domains", "domains:\n  example.org:\n    recipents: { list: [x@example.org] }\n");
  const line = await edge.waitForLog("policy-rejected");
  assert.match(JSON.stringify(line), /domains\.yaml:3:5 .*recipents.*recipients/);
  const sent = await sendMail({ port: edge.port, message: SIMPLE_MESSAGE });
  assert.equal(sent.final?.code, 250);
  await assert.rejects(edge.gateway.reloadPolicy(), PolicyError);
});

test("a change of the files is in force without a restart, for the next transaction", async () => {
  const client = await RawClient.open({ port: edge.port });
  await client.reply();
  await client.say("EHLO a.test");
  await client.say("MAIL FROM:<x@a.test>");
  const list = ["carol@example.org"];
  await write("domains", stringify({ domains: { "example.org": { recipients: { list } } } }));
  await edge.waitForLog("policy-reloaded");
  assert.equal((await client.say("RCPT TO:<alice@example.org>")).code, 250, "the old snapshot");
  await client.say("RSET");
  await client.say("MAIL FROM:<x@a.test>");
  assert.equal((await client.say("RCPT TO:<alice@example.org>")).code, 550, "the new one");
  assert.equal((await client.say("RCPT TO:<carol@example.org>")).code, 250);
  client.destroy();
  await write("domains", stringify(TEST_POLICIES.domains));
});

test("evidence of the connection is judged again under a new policy", async () => {
  const client = await RawClient.open({ port: edge.port });
  await client.reply();
  await client.say("EHLO a.test");
  const before = edge.log.filter(({ event }) => event === "policy-reloaded").length;
  const block = [{ client: "127.0.0.0/8", reason: "a test" }];
  await write("access", stringify({ block }));
  await edge.waitForLog(
    "policy-reloaded",
    () => edge.log.filter(({ event }) => event === "policy-reloaded").length > before,
  );
  await client.say("MAIL FROM:<x@a.test>");
  const reply = await client.say("RCPT TO:<alice@example.org>");
  assert.match(reply.text, /^550 5\.7\.1 .*\(ref /);
  client.destroy();
});
