import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { makeRsaKey, signMessage } from "../support/dkim-signer.ts";
import { type NsdServer, noNsd, startNsd } from "../support/nsd-server.ts";
import { type ScriptedHub, startScriptedHub } from "../support/scripted-hub.ts";
import { sendMail } from "../support/send-mail.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";
import { noUnbound, startUnbound, type UnboundServer } from "../support/unbound-server.ts";

/*
 * The gateway asks a real Unbound, which asks a real NSD: as it is at a provider. NSD has one zone,
 * `test.`, with a host for each way that a sender's domain can be.
 */
const skip = noNsd() || noUnbound();
const KEY = makeRsaKey(4096);
const TERMS = Array.from({ length: 7 }, (_, i) => `m${i}.greedy`);

const strings = (text: string) =>
  (text.match(/.{1,200}/g) ?? []).map((one) => `"${one}"`).join(" ");

const RECORDS = [
  // Over UDP the answer of this name is cut.
  'fat TXT "v=spf1 ip4:127.0.0.1 -all"',
  ...Array.from({ length: 40 }, (_, i) => `fat TXT "${String(i).repeat(100)}"`),
  "fat MX 10 mail.fat",
  '_dmarc.fat TXT "v=DMARC1; p=reject"',
  `s1._domainkey.fat TXT ${strings(KEY.record)}`,
  `greedy TXT ${strings(`v=spf1 ${TERMS.map((term) => `mx:${term}.test`).join(" ")} -all`)}`,
  "greedy MX 10 mail.greedy",
  '_dmarc.greedy TXT "v=DMARC1; p=none"',
  `s1._domainkey.greedy TXT ${strings(KEY.record)}`,
  ...TERMS.flatMap((term) =>
    Array.from({ length: 10 }, (_, i) => [
      `${term} MX ${i} x${i}.${term}`,
      `x${i}.${term} A 192.0.2.9`,
    ]),
  ).flat(),
  "null MX 0 .",
  'nomail TXT "v=spf1 -all"',
  "address A 192.0.2.1",
  "mail.fat A 192.0.2.1",
];

let hub: ScriptedHub;
let nsd: NsdServer;
let unbound: UnboundServer;
let edge: TestGateway;

before(async () => {
  if (skip) return;
  hub = await startScriptedHub();
  nsd = await startNsd({ test: RECORDS.join("\n") });
  unbound = await startUnbound({ zones: { test: nsd.address }, anchors: [], logsQueries: true });
  edge = await startTestGateway({
    hubPort: hub.port,
    policies: {
      "sender-auth": { "sender-domain": { missing: "reject", noMail: "reject", nullMx: "reject" } },
      access: {
        block: [
          { sender: { domainsAndSubdomains: ["blocked.test"] }, reason: "never stops" },
          { sender: { addresses: ["ceo@fat.test"] }, reason: "left the company" },
        ],
        allow: [{ sender: { domains: ["fat.test"] }, reason: "orders" }],
      },
    },
    settings: { dns: { servers: [unbound.address], timeoutMs: 4000 } },
  });
});
after(async () => {
  await edge?.remove();
  await unbound?.stop();
  await nsd?.stop();
  await hub?.close();
});

const plain = (from: string) =>
  `From: ${from}\r\nSubject: x\r\nTo: alice@example.org\r\n\r\nHello\r\n`;
const signed = (from: string, domain: string) =>
  signMessage(plain(from), { key: KEY, domain, signed: "from:subject:to" });

async function send(from: string, message: string) {
  const { rcpt, final, id } = await sendMail({ port: edge.port, from, message });
  const line = id === null ? null : await edge.waitForLog("decided", (one) => one.id === id);
  return { text: (final ?? rcpt[0])?.text ?? "", line, id };
}

function headerOf(id: string | null): string {
  const found = hub.messages.find(({ data }) => data.includes(`X-Postern-Id: ${id}`));
  assert.ok(found, `nothing was delivered as ${id}`);
  const text = found.data.toString("latin1");
  return text.slice(0, text.indexOf("\r\n\r\n")).replace(/\r\n[ \t]+/g, " ");
}

test("an answer that does not fit into UDP is asked for by TCP", { skip }, async () => {
  const { text, id } = await send("bob@fat.test", signed("bob@fat.test", "fat.test"));
  assert.match(text, /^250 /);
  const header = headerOf(id);
  assert.match(header, /; spf=pass smtp\.mailfrom=fat\.test; dkim=pass header\.d=fat\.test /);
  assert.match(
    header,
    /^Received-SPF: pass \(mx\.example\.org: client permitted by fat\.test\) receiver=mx\.example\.org; client-ip=127\.0\.0\.1; identity=mailfrom; envelope-from="bob@fat\.test"; helo=mail\.friend\.test; mechanism="ip4:127\.0\.0\.1"$/m,
  );
});

for (const [sender, reply] of [
  ["a@nowhere.test", /^550 5\.1\.8 Sender domain does not exist/],
  ["a@nomail.test", /^550 5\.1\.8 Sender domain has no mail server/],
  ["a@null.test", /^550 5\.7\.27 Sender domain takes no mail/],
  ["a@address.test", /^250 /],
  ["", /^250 /],
  ["a@[127.0.0.1]", /^250 /],
  ["a@blocked.test", /^554 5\.1\.0 Sender denied/],
  ["a@Mail.Blocked.TEST", /^554 5\.1\.0 Sender denied/],
  ['"a"@x.y.blocked.test', /^554 5\.1\.0 Sender denied/],
] as const)
  test(`a sender like <${sender}> is answered ${reply.source}`, { skip }, async () => {
    const { text } = await send(sender, plain("x@address.test"));
    assert.match(text, reply);
    assert.doesNotMatch(text, /never stops/);
  });

test("who is blocked by From is refused behind any MAIL FROM, signed or not", {
  skip,
}, async () => {
  for (const message of [plain("CEO <ceo@fat.test>"), signed("ceo+1@fat.test", "fat.test")]) {
    const { text } = await send("a@address.test", message);
    assert.match(text, /^554 5\.1\.0 Sender denied \(ref /);
  }
});

test("an allowed sender is trusted when proven, and refused by DMARC when forged", {
  skip,
}, async () => {
  const proven = await send("a@address.test", signed("bob@fat.test", "fat.test"));
  assert.match(proven.text, /^250 /);
  assert.match(headerOf(proven.id), /^X-Postern-SCL: -1$/m);
  const forged = await send("a@address.test", plain("bob@fat.test"));
  assert.match(forged.text, /^550 5\.7\.1 Refused by the DMARC policy/);
});

test("an SPF record that asks for everything is cut off at 50 queries, and nothing passes", {
  skip,
}, async () => {
  const message = signed("a@greedy.test", "greedy.test");
  const { text, line } = await send("a@greedy.test", message);
  assert.match(text, /^250 /);
  assert.deepEqual([line?.action, line?.cause], ["quarantine", "dmarc-quarantine"]);
  const queries = await unbound.queries();
  const asked = queries.filter((question) => question.includes("greedy.test."));
  assert.ok(asked.length > 40 && asked.length <= 50, `${asked.length} queries`);
});
