import assert from "node:assert/strict";
import { test } from "node:test";
import { sayEvidence } from "../../../src/cli/evidence-sentences.ts";
import { decide } from "../../../src/pipeline/decision.ts";
import { fileEntryKey } from "../../../src/stages/access/entry-key.ts";
import { ENVELOPE_STAGES } from "../../../src/stages/access/sender-ruling.ts";
import { makeRsaKey, signMessage } from "../../support/dkim-signer.ts";
import { type JudgedMail, judgeSender, reportOf } from "../../support/judge-stages.ts";
import { mx, toZoneResolver, type Zone } from "../../support/zone-resolver.ts";

const KEY = makeRsaKey(1024);
const CLIENT = "198.51.100.66";
const ZONE: Zone = {
  "TXT evil.test": [`v=spf1 ip4:${CLIENT} -all`],
  "MX evil.test": [mx(10, "mail.evil.test")],
  "TXT partner.test": ["v=spf1 -all"],
  "TXT list.test": [`v=spf1 ip4:${CLIENT} -all`],
  "TXT _dmarc.partner.test": ["v=DMARC1; p=reject"],
  "TXT s1._domainkey.partner.test": [KEY.record],
  "TXT s1._domainkey.sub.partner.test": [KEY.record],
  "TXT s1._domainkey.evil.test": [KEY.record],
};
const RULE = {
  mode: "enforce",
  scoring: { scores: new Map(), thresholds: { quarantine: 7, reject: null }, scl: [1, 2, 3] },
  exempt: false,
} as const;

const plain = (from: string) => `From: ${from}\r\nSubject: x\r\nTo: b@example.org\r\n\r\nHello\r\n`;
const signed = (from: string, domain = "partner.test") =>
  signMessage(plain(from), { key: KEY, domain, signed: "from:subject:to" });

async function run(access: object, mail: Partial<JudgedMail>) {
  const reports = await judgeSender({
    message: plain("a@evil.test"),
    all: true,
    resolver: toZoneResolver(ZONE),
    options: { "sender-access": access, "from-access": access },
    ...mail,
  });
  const early = reportOf(reports, "sender-access").verdict;
  const late = reports.find(({ stage }) => stage === "from-access")?.verdict;
  const decision = decide(reports, RULE);
  return { reports, early, late, decision, symbols: decision.findings.map(({ symbol }) => symbol) };
}

const block = (sender: object) => ({ block: [{ sender, reason: "never stops" }] });
const allow = (sender: object, more: object = {}) => ({
  allow: [{ sender, reason: "orders", ...more }],
});

test("a blocked MAIL FROM is refused at MAIL, and the reason stays with us", async () => {
  const sender = { domains: ["evil.test"] };
  const { early } = await run(block(sender), {});
  const entry = fileEntryKey({ list: "block", sender });
  assert.deepEqual(early, {
    kind: "reject",
    cause: "sender-denied",
    findings: [{ symbol: "SENDER_BLOCKED", score: 0, detail: "evil.test: never stops", entry }],
  });
});

test("the null sender is blocked by nothing, but whom it names in From may be", async () => {
  const access = block({ domainsAndSubdomains: ["evil.test"] });
  const bounce = { sender: null, helo: "client.evil.test", message: plain("a@friend.test") };
  const { early, late } = await run(access, bounce);
  assert.deepEqual([early.kind, late?.kind], ["neutral", "neutral"]);
  const named = await run(access, { ...bounce, message: plain("a@evil.test") });
  assert.deepEqual([named.early.kind, named.late?.kind], ["neutral", "reject"]);
});

test("a sender who is blocked by From is refused whatever MAIL FROM says and DKIM proves", async () => {
  const access = block({ addresses: ["ceo@partner.test"] });
  const got = await run(access, { message: signed("CEO <ceo@partner.test>") });
  assert.equal(got.early.kind, "neutral");
  assert.deepEqual([got.decision.action, got.decision.cause], ["reject", "sender-denied"]);
  assert.equal((await run(access, { message: signed("bob@partner.test") })).late?.kind, "neutral");
});

test("a malformed From is blocked for each one it names, in any disguise, and allows nobody", async () => {
  for (const from of [
    "x@fine.test, ceo@partner.test",
    "staff: ceo@partner.test, x@fine.test;",
    "<@hop.test:ceo@partner.test>",
    "<x@fine.test> <CEO@Partner.Test>",
    "ceo@partner.test.",
    "x@fine.test\r\nFrom: ceo@partner.test",
    "x@fine.test\r\nFROM : ceo@partner.test",
    "ceo+1@partner.test, x@fine.test",
    "ceo@partner.test\0@fine.test",
  ]) {
    const got = await run(block({ addresses: ["ceo@partner.test"] }), {
      message: plain(from),
      options: {
        "from-access": block({ addresses: ["ceo@partner.test"] }),
        from: { malformed: "stamp" },
      },
    });
    assert.equal(got.late?.kind, "reject", JSON.stringify(from));
    const access = allow({ domains: ["partner.test"] });
    const options = { "from-access": access, from: { malformed: "stamp" } };
    const other = await run(access, { message: signed(from), options });
    assert.equal(other.late?.kind, "neutral", JSON.stringify(from));
  }
  const { late } = await run(block({ domains: ["partner.test"] }), {
    message: plain("x@fine.test, y@notpartner.test, z@partner.test.evil2.test"),
  });
  assert.equal(late?.kind, "neutral");
});

test("an allowed sender counts when DKIM passed for his domain, and skips the spam stages", async () => {
  const message = signed("bob@partner.test");
  const sender = { domains: ["partner.test"] };
  const got = await run(allow(sender), { message });
  const entry = fileEntryKey({ list: "allow", sender });
  assert.deepEqual(got.late, {
    kind: "trust",
    findings: [{ symbol: "SENDER_ALLOWED", score: 0, detail: "partner.test: orders", entry }],
  });
  assert.equal(got.decision.scl, -1);
  assert.equal(reportOf(got.reports, "dmarc").outcome, "skipped");
});

test("an allowed sender that nobody proved is judged like anybody, and marked", async () => {
  const access = allow({ domainsAndSubdomains: ["partner.test"] });
  const forged = await run(access, { message: plain("bob@partner.test") });
  assert.equal(forged.late?.kind, "neutral");
  assert.ok(forged.symbols.includes("SENDER_ALLOWED_UNPROVEN"));
  assert.deepEqual([forged.decision.action, forged.decision.cause], ["reject", "dmarc-reject"]);
  for (const [message, why] of [
    [signed("bob@partner.test", "evil.test"), "a signature of somebody else"],
    [signed("bob@partner.test", "sub.partner.test"), "a signature of one below"],
    [signed("bob@partner.test").replace("Hello", "Pay"), "a broken signature"],
    [signed("bob@partner.test").replace("Subject: x", "Subject: y"), "a changed subject"],
  ] as const) {
    const got = await run(access, { message });
    assert.equal(got.late?.kind, "neutral", why);
    assert.notEqual(got.decision.scl, -1, why);
  }
});

test("a signature of the domain above proves the one below", async () => {
  const got = await run(allow({ domainsAndSubdomains: ["partner.test"] }), {
    message: signed("bob@news.partner.test"),
  });
  assert.equal(got.late?.kind, "trust");
});

test("an allowed MAIL FROM that SPF proves excuses the envelope, never whose name stands in From", async () => {
  const access = allow({ domains: ["list.test"] });
  const mail = { sender: "bounce@list.test", message: plain("bob@partner.test") };
  const got = await run(access, mail);
  assert.ok(got.late?.kind === "trust");
  assert.deepEqual(got.late.scope, ENVELOPE_STAGES);
  assert.deepEqual([got.decision.action, got.decision.cause], ["reject", "dmarc-reject"]);
  const unproven = await run(access, { ...mail, ip: "192.0.2.99" });
  assert.equal(unproven.late?.kind, "neutral");
  assert.ok(unproven.symbols.includes("SENDER_ALLOWED_UNPROVEN"));
});

test("scope limits what an entry excuses", async () => {
  const message = signed("bob@partner.test");
  const scoped = allow({ domains: ["partner.test"] }, { scope: ["dmarc"] });
  const got = await run(scoped, { message });
  assert.ok(got.late?.kind === "trust");
  assert.deepEqual(got.late.scope, ["dmarc"]);
  assert.notEqual(got.decision.scl, -1);
  const onlyFrom = allow({ domains: ["list.test"] }, { scope: ["dmarc"] });
  const mail = { sender: "bounce@list.test", message: plain("bob@partner.test") };
  assert.equal((await run(onlyFrom, mail)).late?.kind, "neutral");
  const both = {
    allow: [
      { sender: { domains: ["list.test"] }, scope: ["spf"], reason: "x" },
      { sender: { domains: ["partner.test"] }, reason: "y" },
    ],
  };
  const two = await run(both, mail);
  assert.ok(two.late?.kind === "trust");
  assert.deepEqual(two.late.scope, ["spf"]);
  assert.ok(two.symbols.includes("SENDER_ALLOWED_UNPROVEN"), "the author was not proven");
});

test("an allowed address within a blocked domain counts when proven, else its domain's block does", async () => {
  const access = {
    allow: [{ sender: { addresses: ["bob@partner.test"] }, reason: "he" }],
    block: [{ sender: { domains: ["partner.test"] }, reason: "they" }],
  };
  const options = { sender: "bob@partner.test" };
  const proven = await run(access, { ...options, message: signed("bob@partner.test") });
  assert.deepEqual([proven.early.kind, proven.late?.kind], ["neutral", "trust"]);
  const forged = await run(access, { ...options, message: plain("bob@partner.test") });
  assert.deepEqual([forged.early.kind, forged.late?.kind], ["neutral", "reject"]);
  const other = await run(access, { message: signed("eve@partner.test") });
  assert.equal(other.late?.kind, "reject");
});

test("a block by one identity beats an allow by the other", async () => {
  const access = {
    allow: [{ sender: { domains: ["partner.test"] }, reason: "x" }],
    block: [{ sender: { domains: ["evil.test"] }, reason: "y" }],
  };
  const got = await run(access, { message: signed("bob@partner.test"), sender: "x@evil.test" });
  assert.equal(got.decision.cause, "sender-denied");
});

test("SPF of a HELO name proves the null sender's domain alone", async () => {
  const access = allow({ domains: ["list.test"] });
  const bounce = { sender: null, helo: "list.test", message: plain("mailer-daemon@list.test") };
  assert.equal((await run(access, bounce)).late?.kind, "trust");
  const borrowed = { ...bounce, sender: "x@evil.test" };
  assert.equal((await run(access, borrowed)).late?.kind, "neutral");
});

test("an entry that ended has no effect", async () => {
  const access = {
    block: [{ sender: { domains: ["evil.test"] }, reason: "x", expires: "2025-12-31" }],
  };
  assert.equal((await run(access, {})).early.kind, "neutral");
  const day = { block: [{ ...access.block[0], expires: "2026-01-01" }] };
  assert.equal((await run(day, {})).early.kind, "reject", "to the end of the day");
});

test("explain says who stands in From, or whom a malformed one names", async () => {
  const say = async (from: string) => {
    const { reports } = await run({}, { message: plain(from) });
    const { evidence } = reportOf(reports, "from-access");
    assert.deepEqual(JSON.parse(JSON.stringify(evidence)), evidence);
    return sayEvidence("from-access", evidence);
  };
  assert.deepEqual(await say("Bob <bob@partner.test>"), ["From is bob@partner.test"]);
  assert.deepEqual(await say("bob@partner.test, eve@evil.test"), [
    "nobody can say who it is from",
    "  it names bob@partner.test",
    "  it names eve@evil.test",
  ]);
});

test("a From of twenty thousand addresses leaves bounded evidence", async () => {
  const { reports } = await run({}, { message: plain("a@b.test,".repeat(20_000)) });
  const evidence = JSON.stringify(reportOf(reports, "from-access").evidence);
  assert.ok(evidence.length < 20_000, String(evidence.length));
});
