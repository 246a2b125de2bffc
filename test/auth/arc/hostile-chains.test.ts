import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type SealOptions, sealMessage } from "../../support/arc-sealer.ts";
import { makeRsaKey } from "../../support/dkim-signer.ts";
import { verifyArc } from "../../support/verify-arc.ts";

const KEY = makeRsaKey(1024);
const ZONE = { "TXT s1._domainkey.evil.test": [KEY.record] };
const PLAIN = "From: ceo@victim.test\r\nSubject: x\r\n\r\nHello\r\n";
const seal = (message = PLAIN, more: Partial<SealOptions> = {}) =>
  sealMessage(message, { key: KEY, domain: "evil.test", signed: "from:subject", ...more });
const check = (message: string, asked: string[] = []) => verifyArc(message, { zone: ZONE, asked });

/** All sets, then a seal over it all: whoever owns a key can make these. */
function chain(length: number): string {
  let message = PLAIN;
  for (let i = 0; i < length; i++) message = seal(message);
  return message;
}

const drop = (message: string, field: RegExp) => message.replace(field, "");
const FIELD = (name: string, instance: number) =>
  new RegExp(`^${name}: i=${instance};.*\\r\\n(?:[ \\t].*\\r\\n)*`, "m");

describe("a chain whose sets are not whole fails before any key is asked for", () => {
  const two = chain(2);
  const broken: Readonly<Record<string, readonly [message: string, reason: string]>> = {
    "a seal alone": [
      `ARC-Seal: i=1; a=rsa-sha256; cv=none; d=evil.test; s=s1; b=AAAA\r\n${PLAIN}`,
      "set 1 is not whole",
    ],
    "no results": [drop(two, FIELD("ARC-Authentication-Results", 1)), "set 1 is not whole"],
    "no message signature": [drop(two, FIELD("ARC-Message-Signature", 1)), "set 1 is not whole"],
    "no seal": [drop(two, FIELD("ARC-Seal", 1)), "set 1 is not whole"],
    "the newest seal cut off, to seal anew": [
      drop(two, FIELD("ARC-Seal", 2)),
      "set 2 is not whole",
    ],
    "a gap: 1 and 3": [seal(seal(), { instance: 3 }), "set 2 is not whole"],
    "a beginning at 2": [seal(PLAIN, { instance: 2 }), "set 1 is not whole"],
    "the first set cut off": [
      ["ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results"].reduce(
        (message, name) => drop(message, FIELD(name, 1)),
        two,
      ),
      "set 1 is not whole",
    ],
    "an instance twice": [seal(seal(), { instance: 1 }), "set 1 is not whole"],
    "results twice": [
      `ARC-Authentication-Results: i=1; mx.victim.test; dmarc=pass header.from=victim.test\r\n${seal()}`,
      "set 1 is not whole",
    ],
    "instance 0": [seal(PLAIN, { instance: 0 }), "ARC-Authentication-Results without an instance"],
    "instance 0 beside a whole set": [
      seal(seal(), { instance: 0 }),
      "ARC-Authentication-Results without an instance",
    ],
    "instance 51": [
      seal(seal(), { instance: 51 }),
      "ARC-Authentication-Results without an instance",
    ],
    "instance 01": [
      seal(PLAIN, { instance: "01" }),
      "ARC-Authentication-Results without an instance",
    ],
    "instance -1": [
      seal(PLAIN, { instance: "-1" }),
      "ARC-Authentication-Results without an instance",
    ],
    "instance 1.0": [
      seal(PLAIN, { instance: "1.0" }),
      "ARC-Authentication-Results without an instance",
    ],
    "a huge instance": [
      seal(PLAIN, { instance: "9".repeat(400) }),
      "ARC-Authentication-Results without an instance",
    ],
    "a word as instance of a seal": [
      seal().replace("ARC-Seal: i=1", "ARC-Seal: i=one"),
      "ARC-Seal without an instance",
    ],
    "an instance twice in a seal": [
      seal().replace("ARC-Seal: i=1", "ARC-Seal: i=1; i=1"),
      "ARC-Seal: the tag i is given twice",
    ],
    "an instance twice in a signature": [
      seal().replace("ARC-Message-Signature: i=1", "ARC-Message-Signature: i=1; i=2"),
      "ARC-Message-Signature: the tag i is given twice",
    ],
    "results whose instance is not first": [
      seal().replace(
        /^(ARC-Authentication-Results:) i=1; mx\.evil\.test;/m,
        "$1 mx.evil.test; i=1;",
      ),
      "ARC-Authentication-Results without an instance",
    ],
  };
  for (const [name, [message, reason]] of Object.entries(broken))
    test(name, async () => {
      const asked: string[] = [];
      const got = await check(message, asked);
      assert.deepEqual([got.result, got.reason], ["fail", reason]);
      assert.deepEqual([got.sets, asked], [[], []]);
    });
});

describe("what a seal says of the chain before it must be what a whole chain says", () => {
  for (const [name, message, reason] of [
    ["the first says pass", seal(PLAIN, { cv: "pass" }), "seal 1 says cv=pass"],
    ["the first says fail", seal(PLAIN, { cv: "fail" }), "seal 1 says cv=fail"],
    ["the second says none", seal(seal(), { cv: "none" }), "seal 2 says cv=none"],
    ["the newest says fail", seal(chain(2), { cv: "fail" }), "seal 3 says cv=fail"],
    ["one in the middle says fail", seal(seal(seal(), { cv: "fail" })), "seal 2 says cv=fail"],
    ["it says something else", seal(PLAIN, { cv: "maybe" }), "seal 1: cv= is not known"],
    ["it says pass in upper case", seal(seal(), { cv: "PASS" }), "seal 2: cv= is not known"],
    ["it says nothing", seal().replace(" cv=none;", ""), "seal 1: cv= is not known"],
    [
      "a seal with h=, which would cover less",
      seal(PLAIN, { moreOfSeal: "; h=from" }),
      "seal 1: a seal has no h=",
    ],
    ["a top-level domain", seal(PLAIN, { domain: "test" }), "seal 1: d= is no domain"],
  ] as const)
    test(name, async () => {
      const got = await check(message);
      assert.deepEqual([got.result, got.reason], ["fail", reason]);
    });
});

test("fifty sets pass, fifty-one fail without a look at any of them", async () => {
  const fifty = chain(50);
  const got = await check(fifty);
  assert.deepEqual([got.result, got.reason, got.sets.length], ["pass", null, 50]);
  const asked: string[] = [];
  const more = await check(seal(fifty, { instance: 51 }), asked);
  assert.deepEqual([more.result, more.reason, asked], ["fail", "more than 50 sets", []]);
});

test("a thousand fields are not parsed, and a name of a key that is none is not asked for", async () => {
  const asked: string[] = [];
  const many = "ARC-Seal: i=1; a=x\r\n".repeat(900) + PLAIN;
  assert.equal((await check(many, asked)).reason, "more than 50 sets");
  for (const domain of ["evil\0.test", "evil.test\x01", "e vil.test", "-.test", "evil..test"])
    assert.equal((await check(seal(PLAIN, { domain }), asked)).result, "fail", domain);
  assert.deepEqual(asked, []);
});

test("a chain of fifty over a large header costs once its size, not fifty times", async () => {
  const big = Array.from({ length: 200 }, (_, i) => `X-Fill-${i}: ${"y".repeat(900)}\r\n`).join("");
  const got = await check(big + chain(50));
  assert.equal(got.result, "pass");
});

test("no damage to a sealed header makes the verifier throw, or pass for another author", async () => {
  const message = chain(2);
  const head = message.slice(0, message.indexOf("\r\n\r\n"));
  const noise = fc.constantFrom(
    ...'\0\t \r\n;=:@.,"<>()\\\x7f\x80\xff'.split(""),
    "\r\n ",
    "i=1",
    "i=2",
    "cv=",
    "b=",
  );
  const damaged = fc
    .tuple(fc.nat(head.length), fc.nat(4), noise)
    .map(([at, cut, piece]) => head.slice(0, at) + piece + head.slice(at + cut));
  await fc.assert(
    fc.asyncProperty(damaged, async (text) => {
      const got = await check(`${text}\r\n\r\nHello\r\n`);
      if (got.result === "pass") assert.equal(got.from ?? "victim.test", "victim.test", text);
    }),
    { numRuns: 500 },
  );
});
