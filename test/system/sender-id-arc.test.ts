import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { describeStory } from "../../src/cli/explain.ts";
import { sealMessage } from "../support/arc-sealer.ts";
import { makeRsaKey, type SigningKey } from "../support/dkim-signer.ts";
import { type NsdServer, noNsd, startNsd } from "../support/nsd-server.ts";
import { type ScriptedHub, startScriptedHub } from "../support/scripted-hub.ts";
import { sendMail } from "../support/send-mail.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";
import { waitUntil } from "../support/wait-until.ts";
import { storyOf } from "../support/with-edge.ts";

/** Its record does not fit into one answer over UDP. */
const LIST = makeRsaKey(4096);
const EVIL = makeRsaKey(2048);
const RECORDS: Readonly<Record<string, string>> = {
  "_dmarc.victim.test": "v=DMARC1; p=reject",
  "victim.test": "v=spf1 -all",
  "list.test": "v=spf1 ip4:127.0.0.1 -all",
  "pra.test": "spf2.0/pra -all",
  "forwards.test": "spf2.0/pra,mfrom ip4:127.0.0.1 -all",
  "s1._domainkey.list.test": LIST.record,
  "s1._domainkey.evil.test": EVIL.record,
};
const BODY = "To: alice@example.org\r\nSubject: Lunch\r\n\r\nAt one\r\n";
const FORGED = `From: ceo@victim.test\r\n${BODY}`;

function sealed(key: SigningKey, domain: string, message = FORGED, results = "dmarc=pass"): string {
  return sealMessage(message, {
    key,
    domain,
    results: `${results} header.from=victim.test`,
    signed: "from:to:subject",
  });
}

async function metricsOf({ gateway }: TestGateway): Promise<string> {
  const { host, port } = gateway.status!;
  return (await fetch(`http://${host}:${port}/metrics`)).text();
}

describe("Sender ID and ARC with a real name server", { skip: noNsd() }, () => {
  let hub: ScriptedHub;
  let dns: NsdServer;
  const edges: TestGateway[] = [];
  let stamping: TestGateway;
  let refusing: TestGateway;
  let holding: TestGateway;

  const start = async (policy: object, workers = 1) => {
    const edge = await startTestGateway({
      hubPort: hub.port,
      policies: { "sender-auth": policy },
      // Long: a busy machine is no lost answer.
      settings: {
        workers,
        dns: { servers: [dns.address], timeoutMs: 4000 },
        metrics: { listen: "127.0.0.1:0" },
      },
    });
    edges.push(edge);
    return edge;
  };
  const send = (edge: TestGateway, message: string, from = "bounce@list.test") =>
    sendMail({ port: edge.port, from, message });

  /** What arrived at the hub of the mail that was answered 250. */
  const delivered = async (sent: ReturnType<typeof sendMail>) => {
    const { final, id } = await sent;
    assert.match(final?.text ?? "", /^250 /);
    const found = hub.messages.find(({ data }) => data.includes(`X-Postern-Id: ${id}`));
    assert.ok(found);
    const text = found.data.toString("latin1").replace(/\r\n[ \t]+/g, " ");
    const fields = text.split("\r\n\r\n", 1)[0]?.split("\r\n") ?? [];
    const all = (name: string) => fields.filter((one) => one.toLowerCase().startsWith(`${name}:`));
    return { id, all, results: all("authentication-results")[0] ?? "" };
  };

  before(async () => {
    if (noNsd()) return;
    hub = await startScriptedHub();
    const strings = (text: string) => (text.match(/.{1,200}/g) ?? []).map((one) => `"${one}"`);
    const zone = Object.entries(RECORDS).map(
      ([name, text]) => `${name}. TXT ${strings(text).join(" ")}`,
    );
    dns = await startNsd({ test: zone.join("\n") });
    const arc = { trustedSealers: ["list.test"] };
    stamping = await start({ arc });
    refusing = await start({ arc, "sender-id": { fail: "reject", temperror: "defer" } });
    holding = await start({ "sender-id": { fail: "quarantine", temperror: "quarantine" } });
  });
  after(async () => {
    for (const edge of edges) await edge.remove();
    await dns?.stop();
    await hub?.close();
  });

  test("as shipped both only stamp, in one field with all other methods", async () => {
    const mail = `From: ceo@pra.test\r\n${BODY}`;
    const { results, all } = await delivered(send(stamping, mail));
    assert.equal(
      results,
      "Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=list.test; " +
        "sender-id=fail reason=not-permitted header.from=pra.test; dkim=none; " +
        "arc=none smtp.remote-ip=127.0.0.1; dmarc=none header.from=pra.test",
    );
    assert.equal(all("authentication-results").length, 1);
    assert.match(all("x-postern-report")[0] ?? "", /symbols=.*\bSENDER_ID_FAIL\b/);
  });

  test("mail that fails DMARC is delivered on the word of a trusted sealer, and explain says why", async () => {
    const { id, results, all } = await delivered(send(stamping, sealed(LIST, "list.test")));
    assert.match(results, /; arc=pass header\.d=list\.test smtp\.remote-ip=127\.0\.0\.1; /);
    assert.match(results, /; dmarc=fail header\.from=victim\.test policy\.dmarc=reject$/);
    assert.match(all("x-postern-report")[0] ?? "", /symbols=.*ARC_TRUSTED,.*DMARC_ARC_TRUSTED/);
    assert.equal(all("arc-seal").length, 1);
    const story = describeStory(await storyOf(stamping, id)).join("\n");
    assert.match(story, /the chain is pass/);
    assert.match(story, /1: sealed by list\.test, who says he saw DMARC pass for victim\.test/);
    assert.match(story, /ARC_TRUSTED 0: list\.test/);
    assert.match(story, /DMARC_ARC_TRUSTED 0: list\.test/);
    assert.match(
      story,
      /fail for 127\.0\.0\.1 and ceo@victim\.test, the responsible address in from/,
    );
  });

  test("without a trusted word it is refused: no chain, a stranger's, one behind him, a changed one", async () => {
    for (const message of [
      FORGED,
      sealed(EVIL, "evil.test"),
      sealed(EVIL, "list.test"),
      sealed(EVIL, "evil.test", sealed(LIST, "list.test")),
      sealed(LIST, "list.test", FORGED, "dmarc=fail"),
      sealed(LIST, "list.test").replace("At one", "At two"),
      sealed(LIST, "list.test").replace("Subject: Lunch", "Subject: Pay"),
    ]) {
      const { final } = await send(stamping, message);
      assert.match(final?.text ?? "", /^550 5\.7\.1 Refused by the DMARC policy /);
    }
    const { final } = await send(holding, sealed(LIST, "list.test"));
    assert.match(final?.text ?? "", /^550 5\.7\.1 Refused by the DMARC policy /);
  });

  test("fail: reject refuses with the words of the RFC, and only what failed", async () => {
    for (const [head, text] of [
      ["From: ceo@pra.test", "Sender ID (PRA) Not permitted"],
      ["From: a@forwards.test\r\nResent-From: b@pra.test", "Sender ID (PRA) Not permitted"],
      ["From: ceo@nowhere.test", "Sender ID (PRA) Domain does not exist"],
      [
        "From: a@forwards.test\r\nSender: b@forwards.test\r\nSender: c@pra.test",
        "Missing purported responsible address",
      ],
    ] as const) {
      const { final } = await send(refusing, `${head}\r\n${BODY}`);
      assert.ok(final?.text.startsWith(`550 5.7.1 ${text} (ref `), final?.text ?? "no reply");
    }
    const good = await delivered(
      send(refusing, `From: ceo@pra.test\r\nSender: desk@forwards.test\r\n${BODY}`),
    );
    assert.match(good.results, /; sender-id=pass header\.sender=forwards\.test; /);
  });

  test("fail: quarantine holds it, and DNS that is away defers or holds apart from that", async () => {
    const held = await send(holding, `From: ceo@pra.test\r\n${BODY}`);
    assert.match(held.final?.text ?? "", /^250 /);
    const line = await holding.waitForLog("decided", ({ id }) => id === held.id);
    assert.deepEqual([line.action, line.cause], ["quarantine", "sender-id-fail"]);
    // The server is no authority for it, and says so: REFUSED.
    const away = `From: a@forwards.test\r\nSender: ceo@away.invalid\r\n${BODY}`;
    const later = await send(refusing, away);
    assert.match(later.final?.text ?? "", /^451 4\.7\.1 A needed check is unavailable/);
    const apart = await send(holding, away);
    assert.match(apart.final?.text ?? "", /^250 /);
    const why = await holding.waitForLog("decided", ({ id }) => id === apart.id);
    assert.deepEqual([why.action, why.cause], ["quarantine", "check-unavailable"]);
    const stamped = await delivered(send(stamping, away));
    assert.match(stamped.results, /; sender-id=temperror header\.sender=away\.invalid; /);
  });

  test("forged results under our name go in every disguise, those of others and of chains stay", async () => {
    const forged = [
      "Authentication-Results: mx.example.org; dmarc=pass",
      "AUTHENTICATION-RESULTS: MX.EXAMPLE.ORG 1; dmarc=pass",
      "Authentication-Results : (x)\r\n mx.example.org; dmarc=pass",
      'Authentication-Results: "mx.example.org"; dmarc=pass',
      "Authentication-Results\x01: mx.example.org.; dmarc=pass",
      "Authentication-Results: =?utf-8?q?mx.example.org?=; dmarc=pass",
    ];
    const kept = [
      "Authentication-Results: mx.other.test; dmarc=fail",
      "ARC-Authentication-Results: i=1; mx.example.org; dmarc=pass",
    ];
    const mail = [...forged, ...kept, `From: a@forwards.test\r\n${BODY}`].join("\r\n");
    const { all, results } = await delivered(send(stamping, mail));
    assert.match(results, /^Authentication-Results: mx\.example\.org; spf=pass /);
    assert.deepEqual(all("authentication-results").slice(1), [kept[0]]);
    assert.deepEqual(all("arc-authentication-results"), [kept[1]]);
    const last = hub.messages.at(-1)?.data.toString("latin1") ?? "";
    assert.equal(last.match(/dmarc=pass/g)?.length, 1);
  });

  test("with two processes both stages do the same, and the supervisor has all counts", async () => {
    const edge = await start({ arc: { trustedSealers: ["list.test"] } }, 2);
    const { results } = await delivered(send(edge, sealed(LIST, "list.test")));
    assert.match(results, /; sender-id=fail .*; arc=pass .*; dmarc=fail /);
    const { final } = await send(edge, sealed(EVIL, "evil.test"));
    assert.match(final?.text ?? "", /^550 5\.7\.1 Refused by the DMARC policy /);
    const counted = /^postern_findings_total\{[^}]*symbol="DMARC_ARC_TRUSTED"[^}]*\} 1$/m;
    await waitUntil(
      () => "no count of it",
      async () => counted.test(await metricsOf(edge)) || undefined,
    );
  });

  test("each result is counted", async () => {
    const text = await metricsOf(stamping);
    for (const symbol of [
      "SENDER_ID_FAIL",
      "SENDER_ID_PASS",
      "SENDER_ID_TEMPERROR",
      "ARC_NONE",
      "ARC_PASS",
      "ARC_FAIL",
      "ARC_TRUSTED",
      "DMARC_ARC_TRUSTED",
    ])
      assert.match(text, new RegExp(`^postern_findings_total\\{symbol="${symbol}"\\} [1-9]`, "m"));
  });
});
