import assert from "node:assert/strict";
import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import {
  check,
  ED25519,
  MESSAGE,
  only,
  RSA,
  SECONDS,
  sign,
  zoneOf,
} from "../../support/dkim-bench.ts";
import { makeRsaKey, type SigningKey } from "../../support/dkim-signer.ts";
import { toZoneResolver } from "../../support/zone-resolver.ts";

for (const key of [RSA, ED25519])
  for (const c of [
    "simple/simple",
    "simple/relaxed",
    "relaxed/simple",
    "relaxed/relaxed",
    "simple",
  ])
    test(`${key.algorithm} with c=${c} passes, however the message is cut`, async () => {
      const message = sign({ key, c });
      for (const chunk of [1, 7, 65_536]) {
        const one = await only(message, { zone: zoneOf(key.record), chunk });
        assert.equal(one.result, "pass", one.reason ?? "");
        assert.deepEqual([one.domain, one.selector], ["example.org", "s1"]);
      }
    });

test("what was changed after signing fails, and the body is told from the header", async () => {
  const message = sign();
  const header = await only(message.replace("Alice <alice", "Mallory <alice"));
  assert.equal(header.reason, "the header or the signature was changed");
  const body = await only(message.replace("Hello,", "Send money,"));
  assert.deepEqual([body.result, body.reason], ["fail", "the body was changed"]);
  const forged = await only(message.replace(/bh=./, "bh=x"));
  assert.equal(forged.reason, "the body was changed");
});

test("a body behind l= counts for nothing, and l= that covers all is as none", async () => {
  const octets = "Hello, Bob.\r\n\r\nAlice\r\n".length;
  assert.equal((await only(sign({ length: octets }))).result, "pass");
  const one = await only(`${sign({ length: octets })}Buy pills\r\n`);
  assert.equal(one.result, "fail");
  assert.equal(one.reason, `l= covers ${octets} of ${octets + 13} octets`);
  assert.equal((await only(sign({ length: 0 }))).result, "fail");
  assert.equal((await only(sign({ more: "; l=9999" }))).result, "fail");
});

test("a signature that is expired, from the future, or expires before it was made fails", async () => {
  const at = (more: string) => only(sign({ more }));
  assert.equal((await at(`; t=${SECONDS - 10}; x=${SECONDS + 1}`)).result, "pass");
  assert.equal((await at(`; t=${SECONDS + 299}`)).result, "pass");
  assert.equal((await at(`; t=${SECONDS + 301}`)).reason, "made in the future");
  assert.equal((await at(`; x=${SECONDS - 1}`)).reason, "expired");
  assert.equal((await at(`; t=${SECONDS}; x=${SECONDS - 1}`)).reason, "x= is before t=");
});

test("tags that are not as they must be make the signature a permerror and ask nobody", async () => {
  const good = sign();
  const cases: readonly (readonly [string, RegExp])[] = [
    [good.replace("v=1", "v=2"), /v=/],
    [good.replace("v=1; ", ""), /v=/],
    [good.replace("a=rsa-sha256", "a=rsa-sha1"), /rsa-sha1/],
    [good.replace("a=rsa-sha256", "a=rsa-md5"), /a=/],
    [good.replace("d=example.org", "d=org"), /d=/],
    [good.replace("d=example.org", "d=example.org\0.evil.test"), /character/],
    [good.replace("d=example.org", "d=exa\x01mple.org"), /character/],
    [good.replace("d=example.org", "d=exa mple.org"), /d=/],
    [good.replace("d=example.org", "d=example..org"), /d=/],
    [good.replace("d=example.org", "d=[192.0.2.1]"), /d=/],
    [good.replace("s=s1", "s=s1\0.x"), /character/],
    [good.replace("s=s1", "s="), /s=/],
    [good.replace("s=s1", "s=a@b"), /s=/],
    [good.replace("h=from:", "h="), /From/],
    [good.replace("h=from:to", "h=from::to"), /h=/],
    [good.replace("h=from:to:subject:date", "h="), /h=/],
    [good.replace("c=relaxed/relaxed", "c=relaxed/relaxed/x"), /c=/],
    [good.replace("c=relaxed/relaxed", "c=nofws"), /c=/],
    [good.replace("d=example.org", "d=example.org; d=evil.test"), /twice/],
    [good.replace("d=example.org", "d=example.org; i=a@evil.test"), /within/],
    [good.replace("d=example.org", "d=example.org; i=a@notexample.org"), /within/],
    [good.replace("d=example.org", "d=example.org; i=example.org"), /i=/],
    [good.replace("d=example.org", "d=example.org;;"), /without/],
    [good.replace("d=example.org", "d=example.org; novalue"), /without/],
    [good.replace("d=example.org", "d=example.org; l=-1"), /l=/],
    [good.replace("d=example.org", "d=example.org; q=http"), /q=/],
    [good.replace(/bh=[^;]*/, "bh=AAAA"), /bh=/],
    [good.replace(/; b=[^\r]*/, "; b="), /b=/],
    [good.replace(/; b=[^\r]*/, "; b=!!!!"), /b=/],
  ];
  for (const [message, reason] of cases) {
    assert.notEqual(message, good);
    const asked: string[] = [];
    const one = await only(message, { resolver: toZoneResolver(zoneOf(RSA.record), asked) });
    assert.equal(one.result, "permerror", String(reason));
    assert.match(one.reason ?? "", reason);
    assert.deepEqual(asked, []);
  }
});

test("a key that is weak, revoked, for others, repeated or broken verifies nothing", async () => {
  const message = sign();
  const p = RSA.record.slice(RSA.record.indexOf("p="));
  const small = makeRsaKey(512);
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [[small.record], /512 bits/],
    [["v=DKIM1; p="], /revoked/],
    [["v=DKIM1; k=rsa"], /no key/],
    [[`v=DKIM2; ${p}`], /DKIM1/],
    [[`${p}; v=DKIM1`], /DKIM1/],
    [[`v=DKIM1; h=sha1; ${p}`], /sha256/],
    [[`v=DKIM1; s=tlsrpt; ${p}`], /mail/],
    [[`v=DKIM1; k=dsa; ${p}`], /k=/],
    [[ED25519.record], /another kind/],
    [[RSA.record, RSA.record], /2 key records/],
    [[`v=DKIM1; p=AAAA`], /no RSA key/],
    [[`v=DKIM1; k=ed25519; p=AAAA`], /no Ed25519 key/],
    [[`v=DKIM1; p=${"!".repeat(8)}`], /base64/],
    [[`${RSA.record}; ${p}`], /twice/],
    [["rubbish"], /key record/],
    [[], /no key/],
  ];
  for (const [records, reason] of cases) {
    const one = await only(message, { zone: zoneOf(...records) });
    assert.equal(one.result, "permerror", String(reason));
    assert.match(one.reason ?? "", reason);
  }
});

test("a key in PKCS#1 form, with other hashes or services beside ours, verifies", async () => {
  const der = createPublicKey(RSA.privateKey).export({ type: "pkcs1", format: "der" });
  const record = `h=sha1:sha256; s=x:email; p=${der.toString("base64").replace(/(.{60})/g, "$1 ")}`;
  assert.equal((await only(sign(), { zone: zoneOf(record) })).result, "pass");
});

test("a key with t=s forbids a subdomain in i=, and t=y is told", async () => {
  const strict = RSA.record.replace("p=", "t=y:s; p=");
  const one = await only(sign({ more: "; i=a@sub.example.org" }), { zone: zoneOf(strict) });
  assert.match(one.reason ?? "", /subdomain/);
  const exact = await only(sign({ more: "; i=a@example.org" }), { zone: zoneOf(strict) });
  assert.deepEqual([exact.result, exact.testing], ["pass", true]);
});

test("a zone that cannot be asked is a temperror, and a used-up budget is none", async () => {
  const away = await only(sign(), { zone: { "TXT s1._domainkey.example.org": "SERVFAIL" } });
  assert.equal(away.result, "temperror");
  const exhausted = { lookup: async () => ({ kind: "exhausted", reason: "no more" }) as const };
  const one = await only(sign(), { resolver: exhausted });
  assert.equal(one.result, "permerror");
});

test("ten signatures are looked at, each key is asked for once, the rest is counted", async () => {
  let message = MESSAGE;
  for (let i = 0; i < 14; i++) message = sign({}, message);
  const asked: string[] = [];
  const { signatures, omitted } = await check(message, {
    resolver: toZoneResolver(zoneOf(RSA.record), asked),
  });
  assert.equal(signatures.length, 10);
  assert.equal(omitted, 4);
  assert.ok(signatures.every(({ result }) => result === "pass"));
  assert.equal(asked.length, 1);
});

test("a field added after signing is seen: by the signature when oversigned, else by us", async () => {
  const second = "From: Mallory <m@evil.test>\r\n";
  const oversigned = await only(`${second}${sign({ signed: "from:from:to:subject" })}`);
  assert.equal(oversigned.result, "fail");
  const plain = await only(`${second}${sign()}`);
  assert.deepEqual([plain.result, plain.unsigned], ["policy", ["from"]]);
  const subject = await only(`Subject: other\r\n${sign()}`);
  assert.deepEqual([subject.result, subject.unsigned], ["policy", ["subject"]]);
});

test("a signature that leaves the subject to anybody is no pass", async () => {
  const message = sign({ signed: "from:to" }).replace("Lunch", "Invoice");
  const one = await only(message);
  assert.deepEqual([one.result, one.reason], ["policy", "not signed: subject"]);
  assert.equal((await only(message, { mustSign: ["from"] })).result, "pass");
});

test("the last of several fields is the one that is signed, and a name twice takes the next", async () => {
  const message = `Subject: one\r\n${MESSAGE}`;
  assert.equal((await only(sign({ signed: "from:subject:subject" }, message))).result, "pass");
  const swapped = sign({ signed: "from:subject:subject" }, message).replace(
    "Subject: one",
    "Subject: 1",
  );
  assert.equal((await only(swapped)).result, "fail");
});

test("a domain in UTF-8 is asked by its A-labels", async () => {
  const domain = Buffer.from("bücher.example").toString("latin1");
  const zone = { "TXT s1._domainkey.xn--bcher-kva.example": [RSA.record] };
  const one = await only(sign({ domain }), { zone });
  assert.deepEqual([one.result, one.domain], ["pass", "xn--bcher-kva.example"]);
});

test("a message without signatures, without a body, or without an end of its header is read", async () => {
  assert.deepEqual((await check(MESSAGE)).signatures, []);
  const bodiless = "From: a@example.org\r\nSubject: x\r\n\r\n";
  assert.equal((await only(sign({ signed: "from:subject" }, bodiless))).result, "pass");
  const endless = sign({ signed: "from:subject" }, bodiless).replace(/\r\n\r\n$/, "\r\n");
  assert.equal((await only(endless)).result, "pass");
  assert.deepEqual((await check("")).signatures, []);
});

test("the evidence is plain JSON and bounded whatever the sender writes", async () => {
  const names = Array.from({ length: 5000 }, (_, i) => `x-${i}${"y".repeat(100)}`).join(":");
  const one = await check(sign({ signed: `from:subject:${names}` }));
  assert.deepEqual(JSON.parse(JSON.stringify(one)), one);
  assert.ok(JSON.stringify(one).length < 20_000);
});

test("an RSA key whose exponent would cost as much as a private operation is refused", async () => {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", {
    modulusLength: 1024,
    publicExponent: 3,
  });
  const jwk = publicKey.export({ format: "jwk" });
  const odd = createPublicKey({
    key: { ...jwk, e: Buffer.from("010000000000000001", "hex").toString("base64url") },
    format: "jwk",
  });
  const key: SigningKey = { algorithm: "rsa-sha256", privateKey, record: "" };
  const record = `p=${odd.export({ type: "spki", format: "der" }).toString("base64")}`;
  const one = await only(sign({ key }), { zone: zoneOf(record) });
  assert.match(one.reason ?? "", /exponent/);
});
