import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { makeRsaKey, signMessage } from "../support/dkim-signer.ts";
import { type Behaviour, type FakeDns, type FakeHost, startFakeDns } from "../support/fake-dns.ts";
import { type ScriptedHub, startScriptedHub } from "../support/scripted-hub.ts";
import { sendMail } from "../support/send-mail.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";

const KEY = makeRsaKey(1024);
const BODY = "Hello\r\n";

/** Forged mail of the host, signed as if by it, with an ARC set that its key would have to prove. */
function mailOf(host: string): string {
  const plain = `From: ceo@${host}\r\nSubject: Pay\r\nTo: alice@example.org\r\n\r\n${BODY}`;
  const options = { key: KEY, domain: host, signed: "from:subject:to" };
  return sealOf(host) + signMessage(plain, options);
}

function sealOf(host: string): string {
  const hash = createHash("sha256").update(BODY).digest("base64");
  return (
    `ARC-Seal: i=1; a=rsa-sha256; cv=none; d=${host}; s=s1; b=AAAA\r\n` +
    `ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed; d=${host}; s=s1;\r\n` +
    `\th=from:subject:to; bh=${hash}; b=AAAA\r\n` +
    `ARC-Authentication-Results: i=1; mx.${host}; dmarc=pass header.from=${host}\r\n`
  );
}

/** All that the gateway asks about a sender there. */
function namesOf(host: string): readonly string[] {
  return [host, `_dmarc.${host}`, `s1._domainkey.${host}`];
}

function zoneOf(host: string): Readonly<Record<string, FakeHost>> {
  return {
    [host]: { TXT: ["v=spf1 -all"], MX: [[10, `mail.${host}`]] },
    [`_dmarc.${host}`]: { TXT: ["v=DMARC1; p=reject"] },
    [`s1._domainkey.${host}`]: { TXT: [KEY.record] },
  };
}

interface Delivered {
  readonly results: string;
  readonly report: string;
}

function deliveredOf(hub: ScriptedHub, id: string | null): Delivered {
  const found = hub.messages.find(({ data }) => data.includes(`X-Postern-Id: ${id}`));
  assert.ok(found, `nothing was delivered as ${id}`);
  const text = found.data.toString("latin1").replace(/\r\n[ \t]+/g, " ");
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(text)?.[1] ?? "";
  return { results: field("Authentication-Results"), report: field("X-Postern-Report") };
}

const FAULTS: readonly Behaviour[] = [
  "drop",
  "late",
  "servfail",
  "refused",
  "truncate-always",
  "cut-tcp",
  "forge",
  "wrong-id",
  "wrong-question",
  "wrong-source",
  "rubbish",
  "loop",
];

describe("with a name server that is no good", () => {
  let hub: ScriptedHub;
  let dns: FakeDns;
  const hostOf = (fault: Behaviour) => `${fault}.test`;
  const start = (policy: object = {}) =>
    startTestGateway({
      hubPort: hub.port,
      policies: { "sender-auth": policy },
      // What is waited for here is the time-out; answers that are good come below.
      settings: { dns: { servers: [dns.address], timeoutMs: 250 } },
    });
  const send = (edge: TestGateway, host: string) =>
    sendMail({ port: edge.port, from: `ceo@${host}`, message: mailOf(host) });

  before(async () => {
    hub = await startScriptedHub();
    const zones = FAULTS.flatMap((fault) => Object.entries(zoneOf(hostOf(fault))));
    dns = await startFakeDns(Object.fromEntries(zones));
    for (const fault of FAULTS) for (const name of namesOf(hostOf(fault))) dns.behave(name, fault);
  });
  after(async () => {
    await dns.close();
    await hub.close();
  });

  test("every check that has no answer says so, none passes, and the mail goes on", async () => {
    const edge = await start();
    try {
      const sent = await Promise.all(FAULTS.map((fault) => send(edge, hostOf(fault))));
      for (const [index, { final, id }] of sent.entries()) {
        const fault = FAULTS[index] ?? "";
        assert.match(final?.text ?? "", /^250 /, fault);
        const { results, report } = deliveredOf(hub, id);
        for (const method of ["spf", "dkim", "dmarc", "sender-id"])
          assert.match(results, new RegExp(`; ${method}=temperror`), `${fault}: ${results}`);
        assert.doesNotMatch(results, /=pass/, fault);
        assert.match(report, /SENDER_DOMAIN_UNRESOLVED.*ARC_TEMPERROR/, `${fault}: ${report}`);
        // One query and one retry for each look-up, and by TCP what was cut.
        const asked = dns.queries.filter((query) => query.includes(`${fault}.test`));
        assert.ok(asked.length <= 24, `${fault}: ${asked.length} queries`);
      }
    } finally {
      await edge.remove();
    }
  });

  for (const [policy, reply] of [
    [{ spf: { temperror: "defer" } }, /^451 4\.7\.24 SPF cannot be checked now/],
    [{ "sender-domain": { unresolved: "defer" } }, /^450 4\.1\.8 Sender domain cannot/],
    [{ dmarc: { temperror: "defer" } }, /^451 4\.7\.1 /],
    [{ "sender-id": { temperror: "defer" } }, /^451 4\.7\.1 /],
  ] as const)
    test(`with ${JSON.stringify(policy)} the sender is to try again`, async () => {
      const edge = await start(policy);
      try {
        const { rcpt, final } = await send(edge, "servfail.test");
        assert.match((final ?? rcpt[0])?.text ?? "", reply);
      } finally {
        await edge.remove();
      }
    });
});

describe("the DNS queries of one message", () => {
  let hub: ScriptedHub;
  let dns: FakeDns;
  let edge: TestGateway;
  const exchanges = (host: string, count: number) =>
    Array.from({ length: count }, (_, i) => [i, `x${i}.${host}`] as const);
  const addresses = (host: string, count: number) =>
    exchanges(host, count).map(([, name]) => [name, { A: ["192.0.2.9"] }] as const);

  /** An SPF record of that many `mx`, each of that many mail servers. */
  function costly(
    host: string,
    terms: number,
    servers: number,
  ): readonly (readonly [string, FakeHost])[] {
    const targets = Array.from({ length: terms }, (_, i) => `m${i}.${host}`);
    const record = `v=spf1 ${targets.map((target) => `mx:${target}`).join(" ")} -all`;
    return [
      [host, { TXT: [record], MX: [[10, `mail.${host}`]] }],
      ...targets.map((target) => [target, { MX: exchanges(target, servers) }] as const),
      ...targets.flatMap((target) => addresses(target, servers)),
    ];
  }

  /** About the client and its HELO name the session asks, once for all of its messages. */
  const asked = () => dns.queries.filter((query) => !/^PTR |mail\.friend\.test/.test(query)).length;

  const selectors = Array.from({ length: 10 }, (_, i) => `k${i}`);

  before(async () => {
    hub = await startScriptedHub();
    const keys = ["greedy.test", "a.b.c.broad.test"].flatMap((host) =>
      ["s1", ...selectors].map(
        (selector) => [`${selector}._domainkey.${host}`, { TXT: [KEY.record] }] as const,
      ),
    );
    dns = await startFakeDns(
      Object.fromEntries<FakeHost>([
        ...costly("greedy.test", 7, 10),
        ["_dmarc.greedy.test", { TXT: ["v=DMARC1; p=none"] }],
        ...costly("broad.test", 10, 2),
        ["_dmarc.a.b.c.broad.test", { TXT: ["v=DMARC1; p=reject"] }],
        ...costly("other.test", 10, 2),
        ...keys,
      ]),
    );
    edge = await startTestGateway({
      hubPort: hub.port,
      settings: { dns: { servers: [dns.address], timeoutMs: 4000 } },
    });
  });
  after(async () => {
    await edge.remove();
    await dns.close();
    await hub.close();
  });

  test("SPF that spends them all leaves nothing that passes, and the mail is held", async () => {
    const before = asked();
    const host = "greedy.test";
    const { final, id } = await sendMail({
      port: edge.port,
      from: `ceo@${host}`,
      message: mailOf(host),
    });
    assert.match(final?.text ?? "", /^250 /);
    const line = await edge.waitForLog("decided", (one) => one.id === id);
    assert.deepEqual([line.action, line.cause], ["quarantine", "dmarc-quarantine"]);
    assert.equal(asked() - before, 50);
  });

  test("all checks share them: who comes last gets a permerror, what came before stands", async () => {
    const before = asked();
    const host = "a.b.c.broad.test";
    const plain = `From: ceo@${host}\r\nSender: x@other.test\r\nSubject: Pay\r\nTo: alice@example.org\r\n\r\n${BODY}`;
    const message = selectors.reduce(
      (text, selector) =>
        signMessage(text, { key: KEY, domain: host, selector, signed: "from:subject:to" }),
      plain,
    );
    const { final, id } = await sendMail({
      port: edge.port,
      from: "bounce@broad.test",
      message: sealOf(host) + message,
    });
    assert.match(final?.text ?? "", /^250 /);
    const { results } = deliveredOf(hub, id);
    assert.match(
      results,
      /; spf=fail .*; dkim=pass .*; dmarc=pass header\.from=a\.b\.c\.broad\.test/,
    );
    assert.match(results, /; sender-id=permerror/);
    assert.equal(asked() - before, 50);
  });
});
