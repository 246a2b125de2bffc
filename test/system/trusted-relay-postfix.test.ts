import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { TransactionRecord } from "../../src/pipeline/facts.ts";
import { noPostfix, type PostfixHub, startPostfixHub } from "../support/postfix-hub.ts";
import { RawClient } from "../support/raw-client.ts";
import { type ScriptedHub, startScriptedHub } from "../support/scripted-hub.ts";
import { SIMPLE_MESSAGE } from "../support/send-mail.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";
import { storyOf } from "../support/with-edge.ts";

// A real Postfix as backup MX. Clients of the internet come to it by XCLIENT, so that it writes what it
// writes of them; what they say of themselves is hostile.

const skip = noPostfix();
const ADDRESS = "127.0.0.9";
const CLIENT = "192.0.2.66";
const FORGED = "198.51.100.1";
const ARRIVAL_MS = 60_000;

let hub: ScriptedHub;
let edge: TestGateway;
let relay: PostfixHub;

before(async () => {
  if (skip) return;
  hub = await startScriptedHub();
  edge = await startTestGateway({
    hubPort: hub.port,
    policies: {
      access: {
        block: [{ client: CLIENT, reason: "a test" }],
        trustedRelays: [
          { client: ADDRESS, names: ["backup.example.org"], reason: "our backup MX" },
        ],
      },
    },
  });
  relay = await startPostfixHub({
    domains: [],
    main: {
      myhostname: "backup.example.org",
      relay_transport: `smtp:[127.0.0.1]:${edge.port}`,
      smtp_bind_address: ADDRESS,
      smtpd_authorized_xclient_hosts: "127.0.0.0/8",
      relay_domains: "example.org",
      smtp_tls_security_level: "none",
    },
  });
});

after(async () => {
  await relay?.stop();
  await edge?.remove();
  await hub?.close();
});

/** Null when Postfix itself refuses the HELO. */
async function bring(helo: string, head = ""): Promise<TransactionRecord | null> {
  const known = new Set(decidedIds());
  const client = await RawClient.open({ port: relay.port });
  try {
    await client.reply();
    await client.say("EHLO outside.test");
    const again = await client.say(`XCLIENT NAME=[UNAVAILABLE] ADDR=${CLIENT}`);
    assert.equal(again.code, 220, again.text);
    if ((await client.say(`EHLO ${helo}`)).code !== 250) return null;
    assert.equal((await client.say("MAIL FROM:<carol@friend.test>")).code, 250);
    assert.equal((await client.say("RCPT TO:<alice@example.org>")).code, 250);
    assert.equal((await client.say("DATA")).code, 354);
    client.send(`${head}${SIMPLE_MESSAGE}.\r\n`);
    assert.equal((await client.reply()).code, 250);
  } finally {
    client.destroy();
  }
  const { id } = await edge.waitForLog("decided", (line) => !known.has(String(line.id)));
  return (await storyOf(edge, String(id))).record;
}

function decidedIds(): readonly string[] {
  return edge.log.filter(({ event }) => event === "decided").map(({ id }) => String(id));
}

test("the field that Postfix writes of a client makes it the origin, and its mail is held", {
  skip,
  timeout: ARRIVAL_MS,
}, async () => {
  const record = await bring("mail.friend.test");
  assert.deepEqual(record?.origin, { ip: CLIENT, helo: "mail.friend.test" });
  assert.deepEqual([record?.action, record?.cause], ["quarantine", "client-blocked"]);
});

for (const helo of [
  `[${FORGED}]`,
  `x ([${FORGED}])`,
  `x (a.test [${FORGED}])`,
  `x ([${FORGED}]) by backup.example.org with SMTP id 1; Sun, 22 Nov 2026 03:04:05 +0000`,
  `x ([${FORGED}]) by backup.example.org (`,
  `helo=[${FORGED}]`,
  "x)(",
])
  test(`a client of Postfix that says ${helo} is not believed to be another`, {
    skip,
    timeout: ARRIVAL_MS,
  }, async () => {
    const head = `Received: from x (x [${FORGED}]) by backup.example.org (Postfix) with SMTP id 1;\r\n Sun, 22 Nov 2026 03:04:05 +0000\r\n`;
    const record = await bring(helo, head);
    if (record === null) return;
    assert.equal(record.action, "quarantine");
    assert.ok(
      record.origin === null || record.origin?.ip === CLIENT,
      JSON.stringify(record.origin),
    );
  });
