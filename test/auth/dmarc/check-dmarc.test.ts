import assert from "node:assert/strict";
import { test } from "node:test";
import { checkDmarc, type DmarcQuestion } from "../../../src/auth/dmarc/check-dmarc.ts";
import { parseDmarcRecord } from "../../../src/auth/dmarc/dmarc-record.ts";
import { walkedNames } from "../../../src/auth/dmarc/tree-walk.ts";
import type { SenderIdentity } from "../../../src/auth/sender-identities.ts";
import { createLookupScope, type Resolver } from "../../../src/net/resolver.ts";
import { toZoneResolver, type Zone } from "../../support/zone-resolver.ts";

const SCOPE = createLookupScope(new AbortController().signal);

const spf = (domain: string, result: SenderIdentity["result"] = "pass"): SenderIdentity => ({
  method: "spf",
  domain,
  result,
});
const dkim = (domain: string, result: SenderIdentity["result"] = "pass"): SenderIdentity => ({
  ...spf(domain, result),
  method: "dkim",
});

function ask(
  domain: string | null,
  zone: Zone,
  identities: readonly SenderIdentity[] = [],
  rest: Partial<DmarcQuestion> & { readonly asked?: string[] } = {},
) {
  const question = { domain, identities, missing: rest.missing ?? [] };
  return checkDmarc(question, toZoneResolver(zone, rest.asked), SCOPE);
}

const record = (domain: string, text: string): Zone => ({ [`TXT _dmarc.${domain}`]: [text] });
const REJECT = record("example.org", "v=DMARC1; p=reject");

test("SPF or DKIM of the very domain, or of one of its organisation, is a pass", async () => {
  for (const identity of [
    spf("example.org"),
    dkim("example.org"),
    spf("bounce.example.org"),
    dkim("a.b.example.org"),
  ])
    assert.equal((await ask("example.org", REJECT, [identity])).result, "pass");
  assert.equal((await ask("news.example.org", REJECT, [dkim("example.org")])).result, "pass");
  assert.equal((await ask("news.example.org", REJECT, [dkim("x.example.org")])).result, "pass");
});

test("what passed for somebody else, or did not pass, is a fail", async () => {
  for (const identity of [
    spf("evil.test"),
    dkim("notexample.org"),
    dkim("org"),
    dkim("example.org.evil.test"),
    dkim("example.org", "other"),
    spf("example.org", "other"),
  ]) {
    const check = await ask("example.org", REJECT, [identity]);
    assert.equal(check.result, "fail", identity.domain);
    assert.equal(check.policy?.effective, "reject");
  }
});

test("strict alignment wants the very domain, for each method by itself", async () => {
  const zone = record("example.org", "v=DMARC1; p=reject; adkim=s; aspf=r");
  assert.equal((await ask("example.org", zone, [dkim("a.example.org")])).result, "fail");
  assert.equal((await ask("example.org", zone, [spf("a.example.org")])).result, "pass");
  const spfStrict = record("example.org", "v=DMARC1; p=reject; aspf=s");
  assert.equal((await ask("example.org", spfStrict, [spf("a.example.org")])).result, "fail");
  assert.equal((await ask("example.org", spfStrict, [dkim("a.example.org")])).result, "pass");
});

test("a domain without a record anywhere has no result, and its parent is not its organisation", async () => {
  const check = await ask("a.example.org", {}, [spf("example.org")]);
  assert.deepEqual(
    [check.result, check.policy, check.organization],
    ["none", null, "a.example.org"],
  );
});

test("a subdomain gets sp, one that does not exist np, and both fall back to p", async () => {
  const policyOf = async (text: string, zone: Zone = {}) => {
    const { policy } = await ask("a.example.org", { ...record("example.org", text), ...zone });
    return [policy?.tag, policy?.effective];
  };
  const exists = { "A a.example.org": ["192.0.2.1"] };
  assert.deepEqual(await policyOf("v=DMARC1; p=reject"), ["p", "reject"]);
  assert.deepEqual(await policyOf("v=DMARC1; p=reject; sp=none"), ["sp", "none"]);
  assert.deepEqual(await policyOf("v=DMARC1; p=none; np=reject"), ["np", "reject"]);
  assert.deepEqual(await policyOf("v=DMARC1; p=none; np=reject", exists), ["p", "none"]);
  assert.deepEqual(await policyOf("v=DMARC1; p=none; sp=quarantine; np=reject", exists), [
    "sp",
    "quarantine",
  ]);
  const nodata = { "MX a.example.org": ["mx"] };
  assert.deepEqual(await policyOf("v=DMARC1; p=none; np=reject", nodata), ["p", "none"]);
});

test("the domain itself is judged by p whatever sp and np say", async () => {
  const zone = record("example.org", "v=DMARC1; p=reject; sp=none; np=none");
  assert.equal((await ask("example.org", zone)).policy?.effective, "reject");
});

test("t=y makes each policy one step milder", async () => {
  for (const [published, effective] of [
    ["reject", "quarantine"],
    ["quarantine", "none"],
    ["none", "none"],
  ]) {
    const { policy } = await ask(
      "example.org",
      record("example.org", `v=DMARC1; p=${published}; t=y`),
    );
    assert.deepEqual([policy?.published, policy?.effective], [published, effective]);
  }
});

test("at most eight names are asked, for 20 labels too: the whole name, then seven and fewer", async () => {
  const labels = Array.from({ length: 20 }, (_, i) => `l${i}`);
  const asked: string[] = [];
  const domain = `${labels.join(".")}.example.org`;
  const check = await ask(domain, REJECT, [], { asked });
  assert.equal(asked.length, 8);
  assert.equal(asked[0], `TXT _dmarc.${domain}`);
  assert.equal(asked[1], "TXT _dmarc.l15.l16.l17.l18.l19.example.org");
  assert.equal(asked.at(-1), "TXT _dmarc.org");
  assert.equal(check.policy?.domain, "example.org");
  for (let count = 1; count <= 30; count++) {
    const names = walkedNames(Array.from({ length: count }, () => "x").join("."));
    assert.equal(names.length, Math.min(count, 8));
  }
});

test("a record between the first query and the seven labels is not seen (RFC 9989 4.10)", async () => {
  const zone = record("b.c.d.e.f.g.example.org", "v=DMARC1; p=reject");
  assert.equal((await ask("a.b.c.d.e.f.g.example.org", zone)).result, "none");
});

test("psd=n makes a subdomain an organisation of its own", async () => {
  const zone = {
    ...record("a.example.org", "v=DMARC1; p=reject; psd=n"),
    ...record("example.org", "v=DMARC1; p=none"),
  };
  const asked: string[] = [];
  const check = await ask("x.a.example.org", zone, [dkim("example.org")], { asked });
  assert.deepEqual([check.result, check.organization], ["fail", "a.example.org"]);
  assert.ok(!asked.includes("TXT _dmarc.org"));
  assert.equal((await ask("example.org", zone, [dkim("a.example.org")])).result, "fail");
});

test("psd=y: two customers of a public suffix are two organisations, and its policy covers both", async () => {
  const zone = record("bank.example", "v=DMARC1; p=none; sp=quarantine; np=reject; psd=y");
  const exists = { ...zone, "A one.bank.example": ["192.0.2.1"] };
  const check = await ask("mail.one.bank.example", zone, [dkim("two.bank.example")]);
  assert.deepEqual([check.result, check.organization], ["fail", "one.bank.example"]);
  assert.equal(check.policy?.source, "suffix");
  assert.deepEqual([check.policy?.tag, check.policy?.effective], ["np", "reject"]);
  assert.equal((await ask("one.bank.example", exists)).policy?.effective, "quarantine");
  const own = [dkim("one.bank.example")];
  assert.equal((await ask("mail.one.bank.example", zone, own)).result, "pass");
  assert.equal((await ask("one.bank.example", zone, [dkim("bank.example")])).result, "fail");
});

test("a public suffix that sends mail itself is its own organisation", async () => {
  const zone = record("bank.example", "v=DMARC1; p=reject; psd=y");
  assert.equal((await ask("bank.example", zone, [dkim("bank.example")])).result, "pass");
  assert.equal((await ask("bank.example", zone, [dkim("one.bank.example")])).result, "fail");
});

test("several records, and one that cannot be read, are as none, and the walk goes on", async () => {
  const twice = { "TXT _dmarc.a.example.org": ["v=DMARC1; p=none", "v=DMARC1; p=none"] };
  const check = await ask("a.example.org", { ...REJECT, ...twice });
  assert.equal(check.policy?.domain, "example.org");
  const other = { "TXT _dmarc.example.org": ["v=spf1 -all", "v=DMARC1; p=reject"] };
  assert.equal((await ask("example.org", other)).policy?.effective, "reject");
});

test("DNS that cannot be asked is a temperror, where it matters", async () => {
  const away = { "TXT _dmarc.example.org": "SERVFAIL" };
  assert.equal((await ask("example.org", away, [spf("example.org")])).result, "temperror");
  const top = { ...REJECT, "TXT _dmarc.org": "SERVFAIL" };
  assert.equal((await ask("example.org", top, [spf("example.org")])).result, "pass");
  assert.equal((await ask("example.org", top)).result, "fail");
  assert.equal((await ask("example.org", top, [spf("a.example.org")])).result, "temperror");
});

test("an undecided check of an aligned domain is a temperror, one of a stranger is nothing", async () => {
  const undecided = (domain: string) => ask("example.org", REJECT, [dkim(domain, "temperror")]);
  assert.equal((await undecided("example.org")).result, "temperror");
  assert.equal((await undecided("a.example.org")).result, "temperror");
  assert.equal((await undecided("evil.test")).result, "fail");
  const missing = await ask("example.org", REJECT, [], { missing: ["dkim"] });
  assert.equal(missing.result, "temperror");
});

test("who uses up the budget of queries gets a permerror, never a pass or a temperror", async () => {
  const none: Pick<Resolver, "lookup"> = {
    lookup: async () => ({ kind: "exhausted", reason: "budget" }),
  };
  const question = { domain: "example.org", identities: [spf("example.org")], missing: [] };
  assert.equal((await checkDmarc(question, none, SCOPE)).result, "permerror");
  const zone = toZoneResolver({ ...REJECT, "TXT _dmarc.org": [] });
  const late: Pick<Resolver, "lookup"> = {
    lookup: (name, type, ...rest) =>
      name === "_dmarc.a.example.org"
        ? none.lookup(name, type, ...rest)
        : zone.lookup(name, type, ...rest),
  };
  const aligned = { ...question, identities: [spf("a.example.org")] };
  assert.equal((await checkDmarc(aligned, late, SCOPE)).result, "permerror");
});

test("without an author there is no pass and nobody is asked", async () => {
  const asked: string[] = [];
  const check = await ask(null, REJECT, [spf("example.org")], { asked });
  assert.deepEqual([check.result, asked.length], ["permerror", 0]);
});

test("what did not pass costs no query, and the evidence has every answer once", async () => {
  const asked: string[] = [];
  const identities = Array.from({ length: 10 }, (_, i) => dkim(`x${i}.example.org`, "other"));
  const check = await ask("example.org", REJECT, [...identities, dkim("example.org")], { asked });
  assert.deepEqual(asked, ["TXT _dmarc.example.org", "TXT _dmarc.org"]);
  assert.deepEqual(
    check.answers.map(({ name, kind }) => [name, kind]),
    [
      ["_dmarc.example.org", "found"],
      ["_dmarc.org", "none"],
    ],
  );
  assert.deepEqual(JSON.parse(JSON.stringify(check)), check);
});

test("records are read strictly where a mistake would be a gift, and leniently where it is not", () => {
  const p = (text: string) => parseDmarcRecord(text)?.p ?? null;
  for (const [text, policy] of [
    ["v=DMARC1; p=reject", "reject"],
    ["v=DMARC1;p=Reject;", "reject"],
    ["v = DMARC1 ; p = quarantine ; unknown=1", "quarantine"],
    ["v=DMARC1", "none"],
    ["v=DMARC1; rua=mailto:a@b.test", "none"],
    ["v=DMARC1; p=rejct; rua=mailto:a@b.test", "none"],
    ["v=DMARC1; p=reject; sp=bad; rua=mailto:a@b.test", "none"],
    ["v=DMARC1; p=reject; ; junk; fo=9; adkim=x", "reject"],
    ["v=DMARC1; p=rejct", null],
    ["v=DMARC1; p=reject; np=bad", null],
    ["v=DMARC1; p=reject; p=none", null],
    ["v=DMARC12; p=reject", null],
    ["V=dmarc1; p=reject", null],
    ["p=reject; v=DMARC1", null],
    [" v=DMARC1; p=reject", null],
    [`v=DMARC1; p=reject; x=${"y".repeat(5000)}`, null],
    ["", null],
  ] as const)
    assert.equal(p(text), policy, text);
});
