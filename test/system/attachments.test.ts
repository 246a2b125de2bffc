import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { type FakeClamd, startFakeClamd } from "../support/fake-clamd.ts";
import { type ScriptedHub, startScriptedHub } from "../support/scripted-hub.ts";
import { type SentMail, sendMail } from "../support/send-mail.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";

const MESSAGES = new URL("../messages/attachments/", import.meta.url);

let hub: ScriptedHub;
let clamd: FakeClamd;
let edge: TestGateway;

before(async () => {
  hub = await startScriptedHub();
  clamd = await startFakeClamd();
  edge = await startTestGateway({ hubPort: hub.port, clamd: [clamd.address] });
});

after(async () => {
  await edge.remove();
  await clamd.close();
  await hub.close();
});

const mail = (claim: string) => readFile(new URL(`${claim}.eml`, MESSAGES), "latin1");

async function send(message: string): Promise<{ sent: SentMail; action: unknown; cause: unknown }> {
  const sent = await sendMail({ port: edge.port, message: Buffer.from(message, "latin1") });
  const { action, cause } = await edge.waitForLog("decided", ({ id }) => id === sent.id);
  return { sent, action, cause };
}

test("a forbidden attachment is refused with its name, and the hub never sees it", async () => {
  const { sent, action } = await send(await mail("program-in-a-zip-is-refused"));
  assert.equal(action, "reject");
  assert.match(sent.final?.text ?? "", /^550 5\.7\.1 Attachment not accepted: setup\.exe \(ref /);
  assert.equal(hub.messages.length, 0);
});

test("a name from outside cannot write into the reply", async () => {
  const name = `a\u00e9\u202e%0d%0a250 ok${"x".repeat(2000)}.exe`;
  const coded = encodeURIComponent(name).replaceAll("%250d%250a", "%0d%0a");
  const message = (await mail("name-with-percent-signs-is-refused")).replace(
    /filename\*=.*/,
    `filename*=utf-8''${coded}`,
  );
  const { sent, action } = await send(message);
  assert.equal(action, "reject");
  assert.match(
    sent.final?.text ?? "",
    /^550 5\.7\.1 Attachment not accepted: [\x20-\x7e]{1,80} \(ref /,
  );
});

test("ambiguous mail is held, and the sender gets its 250", async () => {
  const { sent, action, cause } = await send(await mail("two-encodings-are-held"));
  assert.deepEqual([action, cause], ["quarantine", "unscannable"]);
  assert.equal(sent.final?.code, 250);
  assert.equal(hub.messages.length, 0);
});

test("malware in mail that would only be held is refused as malware", async () => {
  const message = (await mail("two-encodings-are-held")).replace(
    "See the attachment.",
    "[[found Made.Up.Virus]]",
  );
  const { sent, action, cause } = await send(message);
  assert.deepEqual([action, cause], ["reject", "malware"]);
  assert.match(sent.final?.text ?? "", /Made\.Up\.Virus/);
});

test("mail with a harmless attachment is relayed", async () => {
  const { sent, action } = await send(await mail("letter-with-a-picture-passes"));
  assert.equal(action, "relay");
  assert.equal(sent.final?.code, 250);
  assert.equal(hub.messages.length, 1);
});
