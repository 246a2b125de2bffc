import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { startFakeDns } from "../support/fake-dns.ts";
import { noPostfix, startPostfixHub } from "../support/postfix-hub.ts";
import { findProgram } from "../support/programs.ts";
import { RawClient } from "../support/raw-client.ts";
import { type HubOptions, startScriptedHub } from "../support/scripted-hub.ts";
import { SIMPLE_MESSAGE } from "../support/send-mail.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";
import { waitUntil } from "../support/wait-until.ts";
import { storyOf } from "../support/with-edge.ts";

const python = findProgram("python3");

/** What a program of others reads in a bounce: `[kind, recipient, action, status]`. */
const READ_REPORT = `
import email, json, sys
from email import policy
mail = email.message_from_bytes(sys.stdin.buffer.read(), policy=policy.SMTP)
words, report, original = mail.iter_parts()
assert mail.get_content_type() == "multipart/report" and not mail.defects, mail.defects
assert mail.get_param("report-type") == "delivery-status"
assert words.get_content_type() == "text/plain" and len(words.get_content()) > 50
assert report.get_content_type() == "message/delivery-status"
about, *recipients = report.get_payload()
assert about["Reporting-MTA"] == "dns; mx.example.org", about["Reporting-MTA"]
print(json.dumps([[original.get_content_type(), r["Final-Recipient"], r["Action"], r["Status"]] for r in recipients]))
`;

type Row = readonly [original: string, recipient: string, action: string, status: string];

function readReport(bounce: Buffer): readonly Row[] {
  const options = { input: bounce, timeout: 60_000 };
  return JSON.parse(execFileSync(python.path, ["-c", READ_REPORT], options).toString());
}

/** The mailbox `later` is full until it is gone. */
function toScript(isGone: () => boolean): NonNullable<HubOptions["script"]> {
  return ({ step, line }) => {
    if (step !== "rcpt") return undefined;
    if (line.includes("<no@")) return "550 5.1.1 unknown here";
    if (!line.includes("<later@")) return undefined;
    return isGone() ? "550 5.2.1 gone" : "450 4.2.2 full";
  };
}

/** Users inside write through `inside`; example.org is theirs, and the rest is outside. */
async function openGateway(
  cleanUp: AsyncDisposableStack,
  settings: Readonly<Record<string, unknown>>,
) {
  const hub = await startScriptedHub();
  cleanUp.defer(() => hub.close());
  let isGone = false;
  const outside = await startScriptedHub({ script: toScript(() => isGone) });
  cleanUp.defer(() => outside.close());
  const connectors = {
    hub: { domains: ["example.org"], smarthosts: [`127.0.0.1:${hub.port}`] },
    out: { domains: ["*"], smarthosts: [`127.0.0.1:${outside.port}`] },
  };
  const edge = await startTestGateway({
    hubPort: hub.port,
    policies: {
      routing: { connectors },
      limits: {
        delivery: { retryFirstSeconds: 1, retryMaxSeconds: 1, warnAfterSeconds: 1 },
      },
    },
    settings: {
      listeners: [{ name: "inside", kind: "hub", listen: "127.0.0.1:0", from: ["127.0.0.0/8"] }],
      ...settings,
    },
  });
  cleanUp.defer(() => edge.remove());
  const close = () => {
    isGone = true;
  };
  return { hub, edge, close };
}

/** The reference of the transaction. */
async function sendOut(edge: TestGateway): Promise<string> {
  const client = await RawClient.open({ port: edge.port });
  await client.reply();
  await client.say("EHLO hub.example.org");
  await client.say("MAIL FROM:<alice@example.org> RET=FULL ENVID=e1");
  for (const rcpt of ["yes@x.test> NOTIFY=SUCCESS,FAILURE", "no@x.test>", "later@x.test>"])
    assert.equal((await client.say(`RCPT TO:<${rcpt}`)).code, 250);
  assert.equal((await client.say("DATA")).code, 354);
  client.send(`${SIMPLE_MESSAGE}.\r\n`);
  const { code, text } = await client.reply();
  assert.equal(code, 250);
  client.destroy();
  return /\(ref (\w+)\)/.exec(text)?.[1] ?? "";
}

for (const workers of [1, 2]) {
  const title = `a user hears of each of his recipients what he should, with workers: ${workers}`;
  test(title, { skip: python.skip }, async () => {
    await using cleanUp = new AsyncDisposableStack();
    const { hub, edge, close } = await openGateway(cleanUp, { workers });
    const id = await sendOut(edge);
    await hub.waitForMessages(3, 60_000);
    close();
    const bounces = await hub.waitForMessages(4, 60_000);
    for (const { sender, recipients } of bounces)
      assert.deepEqual([sender, recipients], ["", ["alice@example.org"]]);
    for (const { data } of bounces)
      assert.doesNotMatch(data.toString(), /^X-(?:Postern-(?:SCL|Report)|Spam)/m);
    const rows = bounces.flatMap(({ data }) => readReport(data));
    assert.deepEqual(rows.map(String).toSorted(), [
      "message/rfc822,rfc822; later@x.test,failed,5.2.1",
      "message/rfc822,rfc822; no@x.test,failed,5.1.1",
      "text/rfc822-headers,rfc822; later@x.test,delayed,4.2.2",
      "text/rfc822-headers,rfc822; yes@x.test,relayed,2.0.0",
    ]);
    await waitUntil(
      () => "the story is not complete",
      async () => {
        const { fate } = await storyOf(edge, id);
        const kinds = fate.map(({ kind }) => kind).filter((kind) => /bounced|told/.test(kind));
        const all = ["bounced", "bounced", "told-of-delay", "told-of-relay"];
        return String(kinds.toSorted()) === String(all) || undefined;
      },
    );
  });
}

test("Postfix takes over what the sender wants to know, and we tell nothing", {
  skip: noPostfix(),
}, async () => {
  await using cleanUp = new AsyncDisposableStack();
  const dns = await startFakeDns({ "friend.test": { TXT: ["v=spf1 ip4:127.0.0.1 -all"] } });
  cleanUp.defer(() => dns.close());
  const hub = await startPostfixHub({ domains: ["example.org", "friend.test"] });
  cleanUp.defer(() => hub.stop());
  const routing = {
    connectors: {
      hub: { domains: ["example.org", "friend.test"], smarthosts: [`127.0.0.1:${hub.port}`] },
    },
  };
  const edge = await startTestGateway({
    hubPort: hub.port,
    dnsServer: dns.address,
    policies: { routing },
  });
  cleanUp.defer(() => edge.remove());
  const client = await RawClient.open({ port: edge.port });
  await client.reply();
  await client.say("EHLO mail.friend.test");
  await client.say("MAIL FROM:<carol@friend.test> ENVID=e2+2B");
  await client.say(
    "RCPT TO:<alice@example.org> NOTIFY=SUCCESS ORCPT=rfc822;old+2Balice@example.org",
  );
  await client.say("DATA");
  client.send(`${SIMPLE_MESSAGE}.\r\n`);
  assert.equal((await client.reply()).code, 250);
  client.destroy();
  const messages = await hub.waitForMessages(2, 60_000);
  const report = messages.find(({ recipient }) => recipient === "carol@friend.test");
  const text = report?.raw.toString() ?? "";
  assert.match(text, /^Reporting-MTA: dns; hub\.test$/m);
  assert.match(text, /^Original-Envelope-Id: e2\+$/m);
  assert.match(text, /^Original-Recipient: rfc822;old\+alice@example\.org$/m);
  assert.match(text, /^Action: (?:delivered|relayed)$/m);
  assert.ok(!edge.log.some(({ event }) => event === "told-of-relay"));
});
