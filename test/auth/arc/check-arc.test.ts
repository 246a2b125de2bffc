import assert from "node:assert/strict";
import { test } from "node:test";
import { type SealOptions, sealMessage } from "../../support/arc-sealer.ts";
import { makeEd25519Key, makeRsaKey } from "../../support/dkim-signer.ts";
import { verifyArc } from "../../support/verify-arc.ts";
import type { Zone } from "../../support/zone-resolver.ts";

const NOW = Date.UTC(2026, 0, 1);
const SECONDS = NOW / 1000;
const LIST = makeRsaKey(1024);
const HUB = makeEd25519Key();
const ZONE: Zone = {
  "TXT s1._domainkey.list.test": [LIST.record],
  "TXT s1._domainkey.hub.test": [HUB.record],
};
const PLAIN = [
  "From: Alice <alice@example.org>",
  "To: list@list.test",
  "Subject:  Lunch \t on",
  "  Friday?",
  "Date: Thu, 1 Jan 2026 00:00:00 +0000",
  "",
  "Hello,  all. ",
  "",
  "Alice",
  "",
  "",
].join("\r\n");

const byList = (message = PLAIN, more: Partial<SealOptions> = {}) =>
  sealMessage(message, {
    key: LIST,
    domain: "list.test",
    results: "dmarc=pass header.from=example.org",
    ...more,
  });
const byHub = (message = PLAIN, more: Partial<SealOptions> = {}) =>
  sealMessage(message, {
    key: HUB,
    domain: "hub.test",
    results: "arc=pass; dmarc=fail header.from=example.org",
    ...more,
  });
const check = (message: string, zone = ZONE) => verifyArc(message, { zone });

test("a chain of two sealers with keys of two kinds passes, and tells what each of them saw", async () => {
  const got = await check(byHub(byList()));
  assert.deepEqual([got.result, got.reason, got.from], ["pass", null, "example.org"]);
  assert.deepEqual(got.sets, [
    {
      instance: 1,
      domain: "list.test",
      selector: "s1",
      dmarc: { result: "pass", from: "example.org" },
    },
    {
      instance: 2,
      domain: "hub.test",
      selector: "s1",
      dmarc: { result: "fail", from: "example.org" },
    },
  ]);
  assert.deepEqual(
    got.keys.map(({ name, kind }) => [name, kind]),
    [
      ["s1._domainkey.hub.test", "found"],
      ["s1._domainkey.list.test", "found"],
    ],
  );
  assert.deepEqual(JSON.parse(JSON.stringify(got)), got);
});

for (const c of ["simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed"])
  test(`c=${c} passes, however the message is cut, and the whole evidence is the same`, async () => {
    const message = byHub(byList(PLAIN, { c }), { c });
    const [whole, ...cut] = await Promise.all(
      [65_536, 1, 7].map((chunkBytes) => verifyArc(message, { zone: ZONE, chunkBytes })),
    );
    assert.equal(whole?.result, "pass", whole?.reason ?? "");
    for (const one of cut) assert.deepEqual(one, whole);
  });

test("a message without a chain is none and asks nothing", async () => {
  const asked: string[] = [];
  const got = await verifyArc(PLAIN, { zone: ZONE, asked });
  assert.deepEqual([got.result, got.reason, got.sets, got.keys], ["none", null, [], []]);
  assert.deepEqual(asked, []);
});

test("the body changed behind the last sealer fails before a key is asked for", async () => {
  const asked: string[] = [];
  const edited = byHub(byList()).replace("Hello,", "Send money,");
  for (const chunkBytes of [1, 7, 65_536]) {
    const got = await verifyArc(edited, { zone: ZONE, asked, chunkBytes });
    assert.deepEqual([got.result, got.reason, got.keys], ["fail", "the body was changed", []]);
  }
  assert.equal((await check(`${byList()}PS\r\n`)).reason, "the body was changed");
  assert.deepEqual(asked, []);
});

test("a body that an earlier forwarder changed and sealed again passes: the newest counts", async () => {
  const edited = byList().replace("Alice\r\n\r\n", "Alice\r\n-- \r\nthe list\r\n");
  assert.equal((await check(edited)).result, "fail");
  assert.equal((await check(byHub(edited))).result, "pass");
});

test("any change of what is sealed fails, and is told of the right part", async () => {
  const message = byHub(byList());
  for (const [from, to, reason] of [
    ["From: Alice", "From: Mallory", "message signature: what it signs was changed"],
    ["Subject:  Lunch", "Subject: Pay", "message signature: what it signs was changed"],
    ["i=2; mx.hub.test", "i=2; mx.evil.test", "seal 2: what it signs was changed"],
    ["dmarc=fail header.from", "dmarc=pass header.from", "seal 2: what it signs was changed"],
    ["i=1; mx.list.test", "i=1; mx.evil.test", "seal 2: what it signs was changed"],
    ["cv=pass; d=hub.test", "cv=pass; x=1; d=hub.test", "seal 2: what it signs was changed"],
  ] as const) {
    assert.ok(message.includes(from), from);
    const got = await check(message.replace(from, to));
    assert.deepEqual([got.result, got.reason], ["fail", reason]);
  }
});

test("an older seal that does not hold fails, though all that is newer does", async () => {
  const old = byList().replace("i=1; mx.list.test", "i=1; mx.evil.test");
  const got = await check(byHub(old));
  assert.deepEqual([got.result, got.reason], ["fail", "seal 1: what it signs was changed"]);
});

test("a signature with an l= that leaves text open fails, as in DKIM", async () => {
  const octets = "Hello, all.\r\n\r\nAlice\r\n".length;
  assert.equal((await check(byList(PLAIN, { more: `; l=${octets}` }))).result, "pass");
  assert.equal(
    (await check(byList(PLAIN, { more: "; l=5" }))).reason,
    `l= covers 5 of ${octets} octets`,
  );
  assert.equal((await check(byList(PLAIN, { more: "; l=0" }))).result, "fail");
});

test("a newest signature that is expired, or of the future, fails: a seal cannot be kept for later", async () => {
  const at = async (more: string) => (await check(byList(PLAIN, { more }))).reason;
  assert.equal(await at(`; t=${SECONDS - 9}; x=${SECONDS + 1}`), null);
  assert.equal(await at(`; t=${SECONDS - 9}; x=${SECONDS - 1}`), "expired");
  assert.equal(await at(`; t=${SECONDS + 3600}`), "made in the future");
  const old = byList(PLAIN, { more: `; t=${SECONDS - 9}; x=${SECONDS - 1}` });
  assert.equal((await check(byHub(old))).result, "pass");
});

test("what the newest signature leaves to anybody is told", async () => {
  const open = async (signed: string) => (await check(byList(PLAIN, { signed }))).unsigned;
  assert.deepEqual(await open("from:subject"), []);
  assert.deepEqual(await open("from:to"), ["subject"]);
  const two = byList().replace("Subject:", "Subject: Pay\r\nSubject:");
  assert.deepEqual((await check(two)).unsigned, ["subject"]);
  assert.equal(
    (await check(byList(PLAIN, { signed: "to:subject" }))).reason,
    "h= does not name From",
  );
  assert.equal(
    (await check(byList(PLAIN, { signed: "from:arc-seal" }))).reason,
    "h= names ARC-Seal",
  );
});

test("a key that is away now is told apart from one that is not there", async () => {
  const away = await check(byHub(byList()), { ...ZONE, "TXT s1._domainkey.list.test": "SERVFAIL" });
  assert.deepEqual([away.result, away.temporary, away.reason], ["fail", true, "seal 1: SERVFAIL"]);
  const gone = await check(byList(), { "TXT s1._domainkey.hub.test": [HUB.record] });
  assert.deepEqual(
    [gone.result, gone.temporary, gone.reason],
    ["fail", false, "message signature: no key: nxdomain"],
  );
});

test("weak, revoked, doubled and foreign keys fail", async () => {
  const at = async (records: readonly string[], message = byList()) =>
    (await check(message, { "TXT s1._domainkey.list.test": records })).reason;
  assert.match((await at(["v=DKIM1; p="])) ?? "", /revoked/);
  assert.equal(await at([LIST.record, LIST.record]), "message signature: 2 key records");
  assert.match((await at([HUB.record])) ?? "", /the key is of another kind than a= says/);
  const other = makeRsaKey(1024);
  assert.equal(await at([other.record]), "message signature: what it signs was changed");
  const weak = makeRsaKey(512);
  const got = await at([weak.record], byList(PLAIN, { key: weak }));
  assert.match(got ?? "", /512/);
  const sha1 = { ...LIST, algorithm: "rsa-sha1" } as const;
  assert.equal(
    await at([LIST.record], byList(PLAIN, { key: sha1 })),
    "seal 1: rsa-sha1 proves nothing",
  );
});

test("a sealer may sign under one name and seal under another: both keys must hold", async () => {
  const message = byList(PLAIN, { signatureDomain: "other.test" });
  assert.equal((await check(message)).reason, "message signature: no key: nxdomain");
  const zone = { ...ZONE, "TXT s1._domainkey.other.test": [LIST.record] };
  const got = await check(message, zone);
  assert.deepEqual([got.result, got.sets[0]?.domain], ["pass", "list.test"]);
});
