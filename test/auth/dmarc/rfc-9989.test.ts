import assert from "node:assert/strict";
import { test } from "node:test";
import { checkDmarc } from "../../../src/auth/dmarc/check-dmarc.ts";
import type { SenderIdentity } from "../../../src/auth/sender-identities.ts";
import { createLookupScope } from "../../../src/net/resolver.ts";
import { toZoneResolver, type Zone } from "../../support/zone-resolver.ts";

const identity = (method: "spf" | "dkim", domain: string): SenderIdentity => ({
  ...{ method, domain },
  result: "pass",
});
const dkim = (domain: string) => identity("dkim", domain);
const spf = (domain: string) => identity("spf", domain);
const record = (domain: string, text: string): Zone => ({ [`TXT _dmarc.${domain}`]: [text] });

function check(
  domain: string,
  zone: Zone,
  identities: readonly SenderIdentity[] = [],
  asked: string[] = [],
  queries = 50,
) {
  const { lookup } = toZoneResolver(zone, asked);
  const scope = createLookupScope(new AbortController().signal, queries);
  const counted: typeof lookup = async (name, type, ...rest) =>
    scope.spend() ? lookup(name, type, ...rest) : { kind: "exhausted", reason: "budget" };
  return checkDmarc({ domain, identities, missing: [] }, { lookup: counted }, scope);
}

const twenty = (first: string, base: string) =>
  `${Array.from({ length: 18 }, (_, i) => `${first}${i}`).join(".")}.${base}`;

test("4.10: twenty labels in From and in d= cost eight names each, and those they share once", async () => {
  const zone = record("example.test", "v=DMARC1; p=reject");
  const asked: string[] = [];
  const author = twenty("a", "example.test");
  const got = await check(author, zone, [dkim(twenty("b", "example.test"))], asked);
  assert.equal(got.result, "pass");
  assert.equal(new Set(asked).size, asked.length, "no name twice");
  // The whole name and five below the organisation for each; the organisation and the top once.
  assert.equal(asked.length, 14);
});

test("4.10: ten signatures of twenty labels cannot use up the queries of the message", async () => {
  const zone = record("example.test", "v=DMARC1; p=reject");
  const many = Array.from({ length: 10 }, (_, i) => dkim(twenty(`x${i}x`, "evil.test")));
  const asked: string[] = [];
  const got = await check(twenty("a", "example.test"), zone, many, asked);
  assert.deepEqual([got.result, got.policy?.effective], ["fail", "reject"]);
  assert.equal(asked.length, 8, "who is of another organisation by his name is not asked about");
  const own = Array.from({ length: 10 }, (_, i) => dkim(twenty(`x${i}x`, "example.test")));
  const cost: string[] = [];
  await check("example.test", zone, own, cost);
  assert.ok(cost.length <= 2 + 10 * 6, String(cost.length));
});

test("4.10.1: the policy is that of the author's domain or of its organisation, of none in between", async () => {
  const zone = {
    ...record("b.example.test", "v=DMARC1; p=none"),
    ...record("example.test", "v=DMARC1; p=reject; sp=quarantine"),
  };
  const got = await check("a.b.example.test", zone);
  assert.deepEqual(
    [got.organization, got.policy?.domain, got.policy?.tag, got.policy?.effective],
    ["example.test", "example.test", "sp", "quarantine"],
  );
  const own = await check("b.example.test", zone);
  assert.deepEqual([own.policy?.source, own.policy?.effective], ["author", "none"]);
});

test("4.10.2: psd=u, no psd and nonsense are the same: the record with the fewest labels", async () => {
  for (const psd of ["", "; psd=u", "; psd=U", "; psd=maybe", "; psd="]) {
    const zone = {
      ...record("b.example.test", `v=DMARC1; p=none${psd}`),
      ...record("example.test", `v=DMARC1; p=reject${psd}`),
    };
    const got = await check("a.b.example.test", zone, [dkim("c.example.test")]);
    assert.deepEqual([got.organization, got.result], ["example.test", "pass"], psd);
  }
});

test("4.10.2: psd=n ends the walk there, for the author, for his signature, and in any case", async () => {
  for (const psd of ["n", "N"]) {
    const zone = {
      ...record("own.example.test", `v=DMARC1; p=reject; psd=${psd}`),
      ...record("example.test", "v=DMARC1; p=none"),
    };
    const asked: string[] = [];
    const got = await check("own.example.test", zone, [dkim("x.own.example.test")], asked);
    assert.deepEqual([got.result, got.organization], ["pass", "own.example.test"]);
    assert.ok(!asked.includes("TXT _dmarc.example.test"), asked.join());
    const above = await check("own.example.test", zone, [dkim("example.test")]);
    assert.equal(above.result, "fail", "the domain above is another organisation");
    const beside = await check("example.test", zone, [dkim("x.own.example.test")]);
    assert.equal(beside.result, "fail", "and so is the one below");
  }
});

test("4.10.2: psd=y ends the walk: whatever stands above a public suffix is not asked", async () => {
  const zone = {
    ...record("co.test", "v=DMARC1; p=reject; psd=y"),
    ...record("test", "v=DMARC1; p=none"),
  };
  const asked: string[] = [];
  const got = await check("a.shop.co.test", zone, [], asked);
  assert.deepEqual([got.organization, got.policy?.source], ["shop.co.test", "suffix"]);
  assert.ok(!asked.includes("TXT _dmarc.test"));
  const owner = { ...zone, ...record("shop.co.test", "v=DMARC1; p=quarantine") };
  const own = await check("a.shop.co.test", owner, [dkim("b.shop.co.test")]);
  assert.deepEqual([own.result, own.policy?.domain], ["pass", "shop.co.test"]);
  assert.equal((await check("a.shop.co.test", owner, [dkim("b.rival.co.test")])).result, "fail");
});

test("a key for a whole top level or public suffix vouches for nobody below it", async () => {
  const zone = {
    ...record("victim.test", "v=DMARC1; p=reject"),
    ...record("shop.co.test", "v=DMARC1; p=reject"),
    ...record("co.test", "v=DMARC1; p=none; psd=y"),
  };
  assert.equal((await check("victim.test", zone, [dkim("test"), spf("test")])).result, "fail");
  assert.equal((await check("shop.co.test", zone, [dkim("co.test")])).result, "fail");
});

test("np counts for names that do not exist, before sp and p, and only where it is published", async () => {
  const tagOf = async (text: string, more: Zone = {}) => {
    const got = await check("gone.example.test", { ...record("example.test", text), ...more });
    return [got.policy?.tag, got.policy?.effective, got.exists];
  };
  assert.deepEqual(await tagOf("v=DMARC1; p=none; sp=quarantine; np=reject"), [
    "np",
    "reject",
    false,
  ]);
  assert.deepEqual(await tagOf("v=DMARC1; p=reject; sp=quarantine"), ["sp", "quarantine", null]);
  assert.deepEqual(await tagOf("v=DMARC1; p=reject; np=none"), ["np", "none", false]);
  const there = { "TXT gone.example.test": ["x"] };
  assert.deepEqual(await tagOf("v=DMARC1; p=none; np=reject", there), ["p", "none", true]);
});

test("np that cannot be decided is not used: the name may exist", async () => {
  const zone = {
    ...record("example.test", "v=DMARC1; p=none; sp=quarantine; np=reject"),
    "A gone.example.test": "SERVFAIL",
  };
  const got = await check("gone.example.test", zone);
  assert.deepEqual([got.policy?.tag, got.policy?.effective], ["sp", "quarantine"]);
});

test("t=y makes p, sp and np one step milder each, and only y does", async () => {
  const text = (t: string) => `v=DMARC1; p=reject; sp=quarantine; np=reject${t}`;
  const effective = async (domain: string, t: string, more: Zone = {}) =>
    (await check(domain, { ...record("example.test", text(t)), ...more })).policy?.effective;
  const there = { "A a.example.test": ["192.0.2.1"] };
  for (const t of ["; t=y", "; t=Y"]) {
    assert.equal(await effective("example.test", t), "quarantine");
    assert.equal(await effective("a.example.test", t, there), "none");
    assert.equal(await effective("gone.example.test", t), "quarantine");
  }
  for (const t of ["", "; t=n", "; t=yes", "; t=1", "; t="])
    assert.equal(await effective("example.test", t), "reject", t);
});

test("strict alignment of a subdomain's own policy, and of the one it gets from above", async () => {
  const zone = record("example.test", "v=DMARC1; p=reject; adkim=s; aspf=S");
  const result = async (domain: string, one: SenderIdentity) =>
    (await check(domain, zone, [one])).result;
  assert.equal(await result("a.example.test", dkim("a.example.test")), "pass");
  assert.equal(await result("a.example.test", dkim("example.test")), "fail");
  assert.equal(await result("example.test", spf("a.example.test")), "fail");
  assert.equal(await result("example.test", spf("example.test")), "pass");
  const loose = record("example.test", "v=DMARC1; p=reject; adkim=strict; aspf=x");
  assert.equal((await check("example.test", loose, [dkim("a.example.test")])).result, "pass");
});

test("tags of RFC 7489 that are gone count for nothing: pct=0 protects no forger", async () => {
  for (const old of ["pct=0", "pct=1", "rf=afrf", "ri=86400"]) {
    const got = await check("example.test", record("example.test", `v=DMARC1; p=reject; ${old}`));
    assert.deepEqual([got.result, got.policy?.effective], ["fail", "reject"], old);
  }
});

test("a walk that the budget ends is a permerror where it could have changed the result", async () => {
  const zone = record("example.test", "v=DMARC1; p=reject");
  const author = twenty("a", "example.test");
  assert.equal((await check(author, zone, [dkim(author)], [], 3)).result, "permerror");
  const known = await check("example.test", zone, [], [], 1);
  assert.deepEqual([known.result, known.policy?.effective], ["fail", "reject"]);
});
