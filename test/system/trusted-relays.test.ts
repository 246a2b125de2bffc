import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { sayEvidence } from "../../src/cli/evidence-sentences.ts";
import type { TransactionRecord } from "../../src/pipeline/facts.ts";
import type { SpfEvidence } from "../../src/stages/spf.ts";
import { type FakeDns, startFakeDns } from "../support/fake-dns.ts";
import { RawClient } from "../support/raw-client.ts";
import { runPostern } from "../support/run-postern.ts";
import { type ScriptedHub, startScriptedHub } from "../support/scripted-hub.ts";
import { SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";
import { storyOf } from "../support/with-edge.ts";

const RELAY = "127.0.0.9";
/** Not suspicious: its name leads back to it. */
const PLAIN = "127.0.0.4";
const FORWARDER = "127.0.0.10";
const LISTED = "192.0.2.66";
const HONEST = "192.0.2.1";
const DATE = "; Sun, 22 Nov 2026 03:04:05 +0000";
const ZONE = {
  "2.0.0.127.bl.test": { A: ["127.0.0.2"] },
  "66.2.0.192.bl.test": { A: ["127.0.0.2"], TXT: ["Listed here"] },
  "9.0.0.127.bl.test": { A: ["127.0.0.2"], TXT: ["The relay itself"] },
  "friend.test": { TXT: ["v=spf1 ip4:192.0.2.1 -all"] },
  "1.2.0.192.in-addr.arpa": { PTR: ["mail.friend.test"] },
  "mail.friend.test": { A: [HONEST] },
  "forwarder.test": { TXT: [`v=spf1 ip4:${FORWARDER} -all`] },
  "4.0.0.127.in-addr.arpa": { PTR: ["plain.test"] },
  "plain.test": { A: [PLAIN] },
};

let hub: ScriptedHub;
let dns: FakeDns;
let edge: TestGateway;

before(async () => {
  hub = await startScriptedHub();
  dns = await startFakeDns(ZONE);
  edge = await startTestGateway({
    hubPort: hub.port,
    dnsServer: dns.address,
    policies: {
      access: {
        block: [{ client: "192.0.2.77", reason: "a test" }],
        trustedRelays: [
          { client: RELAY, names: ["backup.example.org"], reason: "our backup MX" },
          { client: FORWARDER, names: ["*.example.org"], reason: "SRS", rewritesSender: true },
        ],
      },
      dnsbl: { rejectAt: 6, lists: [{ zone: "bl.test", score: 6 }] },
      "sender-auth": { spf: { fail: "reject" } },
      connection: {
        pregreet: { from: 0.1, delaySeconds: 60 },
        greylist: { delays: "suspicious" },
      },
    },
  });
});

after(async () => {
  await edge?.remove();
  await dns?.close();
  await hub?.close();
});

const received = (ip: string, helo = "mail.friend.test") =>
  `Received: from ${helo} (unknown [${ip}])\r\n\tby backup.example.org (Postfix) with ESMTP id 1${DATE}\r\n`;

async function relay(
  head: string,
  from = "carol@friend.test",
  to = "alice@example.org",
  localAddress = RELAY,
) {
  const sent = await sendMail({
    port: edge.port,
    localAddress,
    helo: "backup.example.org",
    from,
    to: [to],
    message: head + SIMPLE_MESSAGE,
  });
  const record = sent.id === null ? null : (await storyOf(edge, sent.id)).record;
  return { ...sent, record };
}

function evidenceOf(record: TransactionRecord | null, stage: string) {
  return record?.reports.find((report) => report.stage === stage)?.evidence ?? null;
}

test("honest mail of a listed relay goes on: who gave it to the relay is judged", async () => {
  const { final, record } = await relay(received(HONEST));
  assert.match(final?.text ?? "", /^250 /);
  assert.deepEqual([record?.action, record?.client.ip], ["relay", RELAY]);
  assert.deepEqual(record?.origin, { ip: HONEST, helo: "mail.friend.test" });
  const spf = evidenceOf(record, "spf") as unknown as SpfEvidence;
  assert.deepEqual([spf.result, spf.ip, spf.helo], ["pass", HONEST, "mail.friend.test"]);
  assert.match(JSON.stringify(evidenceOf(record, "reverse-dns")), /"status":"confirmed"/);
  const [message] = (await hub.waitForMessages(1)).slice(-1);
  const head = message?.data.toString("latin1") ?? "";
  assert.match(head, /^Received: from backup\.example\.org \(\[127\.0\.0\.9\]\)/m);
  assert.match(head, /^Received-SPF: pass (?:[^\r]|\r\n )*client-ip=192\.0\.2\.1;/m);
});

test("what would be refused for its origin is held, and the relay has nothing to bounce", async () => {
  for (const [head, from, cause] of [
    [received(LISTED), "carol@nobody.test", "client-listed"],
    [received("192.0.2.5"), "carol@friend.test", "spf-fail"],
    [received("192.0.2.77"), "carol@nobody.test", "client-blocked"],
    [received("192.0.2.5", "mx.example.org"), "carol@nobody.test", "helo-forged"],
  ] as const) {
    const { rcpt, final, record } = await relay(head, from);
    assert.match(rcpt[0]?.text ?? "", /^250 /, cause);
    assert.match(final?.text ?? "", /^250 /, cause);
    assert.deepEqual([record?.action, record?.cause], ["quarantine", cause]);
  }
});

test("SPF of a forwarder that writes its own sender is about it, all else about the origin", async () => {
  const from = "SRS0=x=y=friend.test=carol@forwarder.test";
  const { record } = await relay(received(LISTED), from, "alice@example.org", FORWARDER);
  const spf = evidenceOf(record, "spf") as unknown as SpfEvidence;
  assert.deepEqual([spf.result, spf.ip], ["pass", FORWARDER]);
  assert.deepEqual([record?.action, record?.cause], ["quarantine", "client-listed"]);
});

test("a forged field below that of the relay makes nobody else the origin", async () => {
  const { record } = await relay(received(LISTED) + received(HONEST), "carol@nobody.test");
  assert.deepEqual([record?.action, record?.cause], ["quarantine", "client-listed"]);
  assert.equal(record?.origin?.ip, LISTED);
});

test("mail whose origin nobody can tell is held, and nobody stood in for it", async () => {
  for (const head of ["", "Received: from x by backup.example.org\r\n", received("10.1.2.3")]) {
    const { record } = await relay(head);
    assert.deepEqual(
      [record?.action, record?.cause, record?.origin],
      ["quarantine", "origin-unknown", null],
    );
    for (const stage of ["dnsbl", "spf", "reverse-dns", "helo"])
      assert.equal(evidenceOf(record, stage), null, stage);
  }
});

test("a relay does not wait, is not put off, and a recipient that does not exist is refused to it", async () => {
  const { rcpt, record } = await relay(received(LISTED), "carol@friend.test", "nobody@example.org");
  assert.match(rcpt[0]?.text ?? "", /^550 5\.1\.1 /);
  const stages = record?.reports.map(({ stage }) => stage) ?? [];
  for (const stage of ["pregreet", "greylist", "connection-rate", "message-rate", "rcpt-rate"])
    assert.ok(!stages.includes(stage), stage);
});

test("a client that is no relay is judged himself, whatever fields it sends along", async () => {
  const sent = await sendMail({
    port: edge.port,
    localAddress: PLAIN,
    helo: "plain.test",
    message: received(HONEST) + SIMPLE_MESSAGE,
  });
  assert.match(sent.rcpt[0]?.text ?? "", /^550 5\.7\.23 /);
});

test("a suspicious client waits for its greeting, and a relay is not suspected", async () => {
  const stranger = await RawClient.open({ port: edge.port, localAddress: "127.0.0.1" });
  assert.equal(await stranger.line(), "220-mx.example.org please wait");
  stranger.destroy();
  const relayed = await RawClient.open({ port: edge.port, localAddress: RELAY });
  assert.equal(await relayed.line(), "220 mx.example.org ESMTP");
  relayed.destroy();
});

test("a file is judged as the relay would bring it", async () => {
  const judge = async (ip: string) => {
    const file = join(edge.folder, "relayed.eml");
    await writeFile(file, received(LISTED) + SIMPLE_MESSAGE);
    const who = ["--ip", ip, "--helo", "x.test", "--from", "a@nobody.test"];
    const { text } = await runPostern(
      edge,
      "judge",
      file,
      ...who,
      "--to",
      "alice@example.org",
      "--json",
    );
    const { action, cause } = JSON.parse(text);
    return [action, cause];
  };
  assert.deepEqual(await judge(RELAY), ["quarantine", "client-listed"]);
  assert.deepEqual(await judge(LISTED), ["reject", "client-listed"]);
});

test("explain tells who brought it and who is judged", async () => {
  const { record } = await relay(received(LISTED), "carol@nobody.test");
  const said = sayEvidence("trusted-relay", evidenceOf(record, "trusted-relay"));
  assert.deepEqual(said, [
    "the trusted relay 127.0.0.9 brought it; judged in its place is 192.0.2.66",
    "  backup.example.org had it from 192.0.2.66, which called itself mail.friend.test",
  ]);
});

test("trace finds it by the address of the relay and by that of the origin", async () => {
  const { record } = await relay(received(LISTED), "carol@nobody.test");
  const trace = (...words: readonly string[]) => runPostern(edge, "trace", ...words);
  for (const ip of [RELAY, LISTED]) {
    const { code, out } = await trace("--ip", ip, "--json");
    assert.equal(code, 0);
    const rows = out.map((line) => JSON.parse(line));
    const { clientIp, originIp } = rows.find(({ id }) => id === record?.id) ?? {};
    assert.deepEqual([clientIp, originIp], [RELAY, LISTED]);
  }
  assert.match((await trace("--ip", LISTED)).text, / 192\.0\.2\.66 via 127\.0\.0\.9$/m);
});
