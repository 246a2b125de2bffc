import assert from "node:assert/strict";
import { test } from "node:test";
import { fromStage } from "../../../src/stages/from/from.ts";
import { type JudgedMail, judgeSender, reportOf } from "../../support/judge-stages.ts";
import { toZoneResolver } from "../../support/zone-resolver.ts";

const isOurs = (domain: string) => domain === "example.org";

async function run(from: string, options: object = {}, mail: Partial<JudgedMail> = {}) {
  const zone = { "TXT example.org": ["v=spf1 ip4:192.0.2.1 -all"] };
  const reports = await judgeSender({
    message: `${from}\r\nSubject: x\r\n\r\nHello\r\n`,
    resolver: toZoneResolver(zone),
    options: { from: options },
    isOurs,
    ...mail,
  });
  const { verdict, evidence } = reportOf(reports, "from");
  return { verdict, evidence, symbols: verdict.findings.map(({ symbol }) => symbol) };
}

test("a malformed From is refused, held or stamped as policy says, with the reason", async () => {
  const from = "From: a@b.test, c@d.test";
  const { verdict } = await run(from);
  assert.ok(verdict.kind === "reject");
  assert.equal(verdict.cause, "from-malformed");
  assert.equal(verdict.findings[0]?.detail, "several-mailboxes");
  assert.equal((await run(from, { malformed: "quarantine" })).verdict.kind, "quarantine");
  const stamped = await run(from, { malformed: "stamp" });
  assert.deepEqual([stamped.verdict.kind, stamped.verdict.findings[0]?.score], ["neutral", 4]);
});

test("a From of ours that nobody vouches for is marked, one that SPF vouches for is not", async () => {
  const forged = await run("From: boss@example.org");
  assert.deepEqual(forged.symbols, ["FROM_OWN_DOMAIN"]);
  assert.equal(forged.verdict.kind, "neutral");
  assert.deepEqual((await run("From: boss@mail.example.org")).symbols, ["FROM_OWN_DOMAIN"]);
  const honest = { ip: "192.0.2.1", sender: "boss@example.org" };
  assert.deepEqual((await run("From: boss@example.org", {}, honest)).symbols, []);
  assert.deepEqual((await run("From: x@elsewhere.test")).symbols, []);
});

test("an address of ours, or of a stranger, in the shown name is marked", async () => {
  for (const [from, symbols] of [
    ['From: "boss@example.org" <x@evil.test>', ["FROM_NAME_OWN_ADDRESS"]],
    ["From: =?utf-8?q?boss=40example.org?= <x@evil.test>", ["FROM_NAME_OWN_ADDRESS"]],
    ["From: x@evil.test (boss@example.org)", ["FROM_NAME_OWN_ADDRESS"]],
    ['From: "pay@bank.test" <x@evil.test>', ["FROM_NAME_OTHER_ADDRESS"]],
    ['From: "x@evil.test" <x@evil.test>', []],
    ['From: "x@evil.test" <x@mail.evil.test>', []],
    ["From: Nobody @ home <x@evil.test>", []],
  ] as const) {
    const { symbols: got, verdict } = await run(from);
    assert.deepEqual(verdict.kind === "reject" ? [] : got, symbols, from);
  }
});

test("the name of a protected person with another address is marked, in whatever spelling", async () => {
  const options = { vips: [{ name: "Jane Doe", addresses: ["Jane@Home.example"] }] };
  for (const [from, isMarked] of [
    ["From: Jane Doe <x@evil.test>", true],
    ['From: "DOE, Jane" <x@evil.test>', true],
    ["From: =?utf-8?q?J=C3=A1ne_Doe?= (CEO) <x@evil.test>", true],
    ["From: x@evil.test (Jane Doe)", true],
    ["From: Jane Doe <jane@home.example>", false],
    ["From: Jane Doerr <x@evil.test>", false],
    ["From: Jane <x@evil.test>", false],
  ] as const)
    assert.deepEqual((await run(from, options)).symbols, isMarked ? ["FROM_VIP_NAME"] : [], from);
});

test("mail of our own users is marked and never refused", async () => {
  const relay = { by: "network", network: "10.0.0.0/8" } as const;
  const malformed = await run("From: printer", {}, { relay });
  assert.deepEqual([malformed.verdict.kind, malformed.symbols], ["neutral", ["FROM_MALFORMED"]]);
  assert.deepEqual((await run("From: boss@example.org", {}, { relay })).symbols, []);
});

test("the evidence keeps the fields as written, few and cut", async () => {
  const many = Array.from({ length: 20 }, () => `From: ${"a".repeat(900)}@b.test`).join("\r\n");
  const { evidence } = await run(many);
  assert.deepEqual(JSON.parse(JSON.stringify(evidence)), evidence);
  assert.ok(JSON.stringify(evidence).length < 1500);
});

test("unknown options are errors, and everything has a default", () => {
  assert.ok(fromStage.options.safeParse({}).success);
  for (const wrong of [
    { malformed: "drop" },
    { vips: [{ name: "..." }] },
    { vips: [{ name: "a", addresses: ["b"] }] },
    { vip: [] },
  ])
    assert.equal(fromStage.options.safeParse(wrong).success, false, JSON.stringify(wrong));
});
