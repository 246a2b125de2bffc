import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { makeEd25519Key, makeRsaKey, signMessage } from "../support/dkim-signer.ts";
import { type Behaviour, type FakeDns, startFakeDns } from "../support/fake-dns.ts";
import { type NsdServer, noNsd, startNsd } from "../support/nsd-server.ts";
import { type ScriptedHub, startScriptedHub } from "../support/scripted-hub.ts";
import { sendMail } from "../support/send-mail.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";

const RSA = makeRsaKey(4096);
const ED25519 = makeEd25519Key();
const FORGED = "From: ceo@victim.test\r\nSubject: Pay\r\nTo: alice@example.org\r\n\r\nAt once\r\n";
const sign = (message = FORGED, selector = "rsa") =>
  signMessage(message, {
    key: selector === "rsa" ? RSA : ED25519,
    domain: "victim.test",
    selector,
    signed: "from:subject:to",
  });
const HOSTS = {
  "victim.test": ["v=spf1 -all"],
  "_dmarc.victim.test": ["v=DMARC1; p=reject"],
  "rsa._domainkey.victim.test": [RSA.record],
  "ed._domainkey.victim.test": [ED25519.record],
  "evil.test": ["v=spf1 ip4:127.0.0.1 -all"],
  "_dmarc.held.test": ["v=DMARC1; p=quarantine"],
};

/** RFC 1035 3.3: a key of 4096 bits takes several strings. */
function strings(text: string): readonly string[] {
  return text.match(/.{1,200}/g) ?? [];
}

/** The Authentication-Results of the newest message at the hub, on one line. */
async function deliveredResults(hub: ScriptedHub, sent: ReturnType<typeof sendMail>) {
  const { final, id } = await sent;
  assert.match(final?.text ?? "", /^250 /);
  const found = hub.messages.find(({ data }) => data.includes(`X-Postern-Id: ${id}`));
  assert.ok(found);
  const [field = ""] =
    /^Authentication-Results:.*(?:\r\n[ \t].*)*/m.exec(found.data.toString("latin1")) ?? [];
  return field.replace(/\r\n\s*/g, " ");
}

describe("with a real name server", { skip: noNsd() }, () => {
  let hub: ScriptedHub;
  let dns: NsdServer;
  let edge: TestGateway;
  const send = (message: string, from = "x@evil.test") =>
    sendMail({ port: edge.port, from, message });

  before(async () => {
    if (noNsd()) return;
    hub = await startScriptedHub();
    const records = Object.entries(HOSTS)
      .flatMap(([name, texts]) =>
        texts.map(
          (text) =>
            `${name}. TXT ${strings(text)
              .map((one) => `"${one}"`)
              .join(" ")}`,
        ),
      )
      .join("\n");
    // A large set where SPF stands, too: over UDP both come truncated.
    const padding = Array.from(
      { length: 40 },
      (_, i) => `victim.test. TXT "${String(i).repeat(100)}"`,
    );
    dns = await startNsd({ test: `${records}\n${padding.join("\n")}` });
    edge = await startTestGateway({
      hubPort: hub.port,
      dnsServer: dns.address,
      settings: { dns: { servers: [dns.address], timeoutMs: 2000 } },
    });
  });
  after(async () => {
    await edge?.remove();
    await dns?.stop();
    await hub?.close();
  });

  test("signed mail arrives with its results, however large the answer of DNS is", async () => {
    for (const selector of ["rsa", "ed"]) {
      const results = await deliveredResults(hub, send(sign(FORGED, selector), "ceo@victim.test"));
      assert.match(
        results,
        /; spf=fail smtp\.mailfrom=victim\.test; .*dkim=pass header\.d=victim\.test /,
      );
      assert.match(results, /; dmarc=pass header\.from=victim\.test policy\.dmarc=reject$/);
    }
  });

  test("the same mail changed, or not signed, is refused with the reference", async () => {
    for (const message of [FORGED, sign().replace("At once", "Tomorrow"), `${sign()}PS\r\n`]) {
      const { final } = await send(message);
      assert.match(
        final?.text ?? "",
        /^550 5\.7\.1 Refused by the DMARC policy .*\(ref [0-9A-Z]{18}\)/,
      );
    }
  });

  test("mail under p=quarantine is held, and several authors are refused", async () => {
    const held = await send(FORGED.replace("ceo@victim.test", "a@held.test"));
    assert.match(held.final?.text ?? "", /^250 /);
    const line = await edge.waitForLog("decided", ({ id }) => id === held.id);
    assert.deepEqual([line.action, line.cause], ["quarantine", "dmarc-quarantine"]);
    const two = await send(FORGED.replace("From: ", "From: x@evil.test, "));
    assert.match(two.final?.text ?? "", /^550 5\.7\.1 Exactly one well-formed From/);
  });

  test("a forged result of ours does not survive", async () => {
    const forged = `Authentication-Results: mx.example.org; dmarc=pass header.from=victim.test\r\n`;
    const message = forged + FORGED.replace("victim.test", "nobody.test");
    const results = await deliveredResults(hub, send(message));
    assert.match(results, /dmarc=none header\.from=nobody\.test/);
    const last = hub.messages.at(-1)?.data.toString("latin1") ?? "";
    assert.doesNotMatch(last, /dmarc=pass/);
  });
});

describe("with a name server that misbehaves", () => {
  let hub: ScriptedHub;
  let dns: FakeDns;

  before(async () => {
    hub = await startScriptedHub();
    const zone = Object.entries(HOSTS).map(([name, texts]) => [
      name,
      { TXT: texts.map(strings), ttl: 0 },
    ]);
    dns = await startFakeDns(Object.fromEntries(zone));
  });
  after(async () => {
    await dns.close();
    await hub.close();
  });

  for (const [name, behaviour, expected] of [
    ["_dmarc.victim.test", "servfail", /dmarc=temperror reason=.* header\.from=victim\.test/],
    ["_dmarc.victim.test", "drop", /dmarc=temperror reason=.* header\.from=victim\.test/],
    ["_dmarc.victim.test", "refused", /dmarc=temperror/],
    ["rsa._domainkey.victim.test", "servfail", /dkim=temperror .*dmarc=temperror/],
    ["rsa._domainkey.victim.test", "drop", /dkim=temperror .*dmarc=temperror/],
    ["rsa._domainkey.victim.test", "truncate", /dkim=pass .*dmarc=pass/],
    ["rsa._domainkey.victim.test", "cut-tcp", /dkim=temperror .*dmarc=temperror/],
    ["rsa._domainkey.victim.test", "forge-then-answer", /dkim=pass .*dmarc=pass/],
    ["_dmarc.victim.test", "truncate", /dmarc=pass/],
  ] as const satisfies readonly (readonly [string, Behaviour, RegExp])[])
    test(`${behaviour} at ${name}: the mail goes on, with ${expected.source}`, async () => {
      // Short where the time-out is what is waited for, else long: a busy machine is no lost answer.
      const timeoutMs = (behaviour as Behaviour) === "drop" ? 200 : 4000;
      const edge = await startTestGateway({
        hubPort: hub.port,
        settings: { dns: { servers: [dns.address], timeoutMs } },
      });
      try {
        dns.behave(name, ...Array.from({ length: 8 }, () => behaviour));
        const sent = sendMail({ port: edge.port, from: "x@evil.test", message: sign() });
        assert.match(await deliveredResults(hub, sent), expected);
      } finally {
        dns.behave(name, "answer");
        await edge.remove();
      }
    });
});
