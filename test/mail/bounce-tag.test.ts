import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { KeyRing } from "../../src/base/key-file.ts";
import { checkTag, toTagged, withoutTag } from "../../src/mail/bounce-tag.ts";
import { toAddress } from "../support/spool-item.ts";

const DAY = 24 * 60 * 60 * 1000;
const NOW = Date.UTC(2026, 10, 25);
const key = (number: number, fill: string) => ({ number, secret: Buffer.alloc(32, fill) });
const ring = (...all: KeyRing["all"]): KeyRing => ({ current: all[0]!, all });
const OURS = ring(key(3, "a"));
const ANN = toAddress("Ann@example.org");

const tag = (now = NOW, keys = OURS) => toTagged(ANN, keys, now, 7)!;
const check = (spoken: string, now = NOW, keys = OURS) => checkTag(toAddress(spoken), keys, now, 7);

test("a tag names its key, its last day and a signature", () => {
  const day = String((Math.floor(NOW / DAY) + 7) % 1000).padStart(3, "0");
  assert.match(tag().spoken, new RegExp(`^prvs=3${day}[0-9a-f]{6}=Ann@example\\.org$`));
  assert.equal(check(tag().spoken), "valid");
  assert.deepEqual(withoutTag(tag()), ANN);
});

test("tagging and taking the tag away is the identity, on every day", () => {
  const local = fc.stringMatching(/^[a-zA-Z0-9+=_-]{1,30}(\.[a-zA-Z0-9=]{1,9})?$/);
  fc.assert(
    fc.property(local, fc.integer({ min: 0, max: 3000 }), (user, day) => {
      const address = toAddress(`${user}@example.org`);
      const tagged = toTagged(address, OURS, NOW + day * DAY, 7)!;
      assert.deepEqual(withoutTag(tagged), address);
      assert.equal(checkTag(tagged, OURS, NOW + day * DAY, 7), "valid");
    }),
  );
});

test("a tag is good for 7 days and not for 8", () => {
  const { spoken } = tag();
  assert.equal(check(spoken, NOW + 7 * DAY), "valid");
  assert.equal(check(spoken, NOW + 8 * DAY), "expired");
  assert.equal(check(spoken, NOW + 900 * DAY), "expired");
});

test("whatever is changed in it is forged, but for the case", () => {
  const { spoken } = tag();
  assert.equal(check(spoken.replace("=Ann@", "=Bob@")), "forged");
  assert.equal(check(spoken.replace("@example.org", "@example.net")), "forged");
  assert.equal(check(spoken.replace("prvs=3", "prvs=4")), "forged");
  assert.equal(check(spoken.replace(/prvs=3\d/, "prvs=30")), "forged");
  assert.equal(check("prvs=3123abcdef=Ann@example.org"), "forged");
  assert.equal(check(spoken.toUpperCase()), "valid");
  assert.equal(check(spoken.toLowerCase()), "valid");
});

test("keys change by their digit: the one before still verifies until it is gone", () => {
  const { spoken } = tag();
  const next = ring(key(4, "b"), key(3, "a"));
  assert.equal(check(spoken, NOW, next), "valid");
  assert.match(tag(NOW, next).spoken, /^prvs=4/);
  assert.equal(check(spoken, NOW, ring(key(4, "b"))), "forged");
});

test("an address without a tag has none", () => {
  for (const spoken of ["ann@example.org", "prvs=ann@example.org", "prvs=3123abcde=a@example.org"])
    assert.equal(check(spoken), null, spoken);
});

test("no tag is made where the address would be longer than RFC 5321 allows", () => {
  assert.equal(toTagged(toAddress(`${"a".repeat(50)}@example.org`), OURS, NOW, 7), null);
});
