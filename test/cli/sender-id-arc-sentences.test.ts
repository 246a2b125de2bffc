import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Json } from "../../src/base/json.ts";
import { sayEvidence } from "../../src/cli/evidence-sentences.ts";
import type { ArcEvidence } from "../../src/stages/arc.ts";
import { askSenderId } from "../support/ask-sender-id.ts";
import { byHub, byList, judgeSealed, PLAIN, SAW_FAIL, ZONE } from "../support/sealed-mail.ts";

const lines = (stage: string, evidence: Json) => {
  const said = sayEvidence(stage, evidence);
  assert.ok(said);
  return said;
};

test("sender-id tells who is responsible by which field, what decided, and every look-up", async () => {
  const head = "From: a@b.test\r\nSender: desk@example.com";
  const zone = { "TXT example.com": ["spf2.0/pra,mfrom ip4:192.0.2.1 -all"] };
  const got = await askSenderId(zone, { head, scopes: ["pra", "mfrom"] });
  assert.deepEqual(lines("sender-id", got), [
    "fail for 192.168.0.100 and desk@example.com, the responsible address in sender: decided by -all",
    "  example.com record: found [example.com TXT found spf2.0/pra,mfrom ip4:192.0.2.1 -all]",
    "  example.com ip4:192.0.2.1: no match",
    "  example.com -all: match",
    "fail for 192.168.0.100 and MAIL FROM bounce@example.com: decided by -all",
    "  example.com record: found [example.com TXT found spf2.0/pra,mfrom ip4:192.0.2.1 -all]",
    "  example.com ip4:192.0.2.1: no match",
    "  example.com -all: match",
  ]);
});

test("sender-id tells why nobody is responsible, that a domain is not there, what was left out", async () => {
  for (const [head, said] of [
    ["Subject: x", "no field of the header names a sender"],
    ["Sender: a@b.test\r\nSender: c@d.test", "several fields Sender"],
    ["From: a@b.test\r\nFrom: c@d.test", "several fields From, and no Sender"],
    ["From: a@b.test, c@d.test", "the field that counts is not exactly one address"],
  ] as const)
    assert.deepEqual(lines("sender-id", await askSenderId({}, { head })), [
      `fail: nobody is responsible: ${said}`,
    ]);
  const gone = await askSenderId({}, { usesVersion1: false });
  assert.deepEqual(lines("sender-id", gone), [
    "fail for 192.168.0.100 and alice@example.com, the responsible address in from: the domain does not exist",
    "  example.com record: none [example.com TXT none nxdomain]",
    "records of v=spf1 did not count",
  ]);
  const away = lines("sender-id", await askSenderId({ "TXT example.com": "SERVFAIL" }));
  assert.match(away[0] ?? "", /^temperror for .*in from: SERVFAIL$/);
});

test("arc tells the result, who sealed and what each says he saw, and the keys", async () => {
  const { arc } = await judgeSealed(byHub(byList(), { results: SAW_FAIL }));
  const [hub, list] = ["hub.test", "list.test"].map(
    (name) => ZONE[`TXT s1._domainkey.${name}`]?.[0],
  );
  assert.deepEqual(lines("arc", arc), [
    "the chain is pass",
    "  1: sealed by list.test, who says he saw DMARC pass for victim.test",
    "  2: sealed by hub.test, who says he saw DMARC fail for victim.test",
    `  s1._domainkey.hub.test TXT found ${hub}`,
    `  s1._domainkey.list.test TXT found ${list}`,
  ]);
});

test("arc tells why a chain fails, whether it may be otherwise later, and what is not covered", async () => {
  const say = async (message: string, zone = ZONE) =>
    lines("arc", (await judgeSealed(message, { zone })).arc as Json);
  assert.deepEqual(await say(PLAIN), ["no chain"]);
  assert.deepEqual(await say(`ARC-Seal: i=1\r\n${PLAIN}`), [
    "the chain is fail: set 1 is not whole",
  ]);
  assert.deepEqual((await say(`${byList(PLAIN, { results: "spf=none" })}PS\r\n`)).slice(0, 2), [
    "the chain is fail: the body was changed",
    "  1: sealed by list.test, who says nothing of DMARC",
  ]);
  const away = await say(byList(), { ...ZONE, "TXT s1._domainkey.list.test": "SERVFAIL" });
  assert.equal(
    away[0],
    "the chain is fail: message signature: SERVFAIL, which may be otherwise later",
  );
  assert.equal(away.at(-1), "  s1._domainkey.list.test TXT temporary SERVFAIL");
  const open = await say(byList(PLAIN, { signed: "from" }));
  assert.equal(open[2], "  its newest signature leaves subject to anybody: no sealer is believed");
});

test("evidence of another shape has no sentences and never throws", () => {
  const almost: ArcEvidence = {
    result: "pass",
    reason: null,
    temporary: false,
    sets: [],
    keys: [],
    from: null,
    unsigned: [],
  };
  assert.ok(sayEvidence("arc", almost));
  assert.equal(sayEvidence("arc", { result: "pass" }), null);
  fc.assert(
    fc.property(fc.constantFrom("arc", "sender-id"), fc.jsonValue(), (stage, value) => {
      const said = sayEvidence(stage, value as Json);
      assert.ok(said === null || Array.isArray(said));
    }),
  );
});
