import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { KeyRing } from "../../src/base/key-file.ts";
import { isSrsOf, readSrs, toSrs } from "../../src/mail/srs.ts";
import { toAddress } from "../support/spool-item.ts";

const DAY = 24 * 60 * 60 * 1000;
const NOW = Date.UTC(2026, 10, 25);
const RULE = { domain: "example.org", maxAgeDays: 21, hashLength: 6 };
const key = (number: number, fill: string) => ({ number, secret: Buffer.alloc(32, fill) });
const ring = (...all: KeyRing["all"]): KeyRing => ({ current: all[0]!, all });
const OURS = ring(key(0, "a"));

const forward = (spoken: string) => toSrs(toAddress(spoken), OURS, RULE, NOW)?.spoken ?? null;
const back = (spoken: string, now = NOW, keys = OURS) =>
  readSrs(toAddress(spoken), keys, RULE, now);
const sender = (spoken: string) => ({ kind: "sender", address: toAddress(spoken) }) as const;

test("a sender becomes one of ours that says who it was", () => {
  const ours = forward("ann@first.test");
  assert.match(ours ?? "", /^SRS0=[a-z2-7]{6}=[a-z2-7]{2}=first\.test=ann@example\.org$/);
  assert.ok(isSrsOf(RULE, toAddress(ours!)));
  assert.ok(!isSrsOf(RULE, toAddress("ann@example.org")));
  assert.deepEqual(back(ours!), sender("ann@first.test"));
});

test("forward and back is the identity for every sender that it can say", () => {
  const local = fc.stringMatching(/^[a-zA-Z0-9+=_-]{1,8}(\.[a-zA-Z0-9=]{1,6})?$/);
  const domain = fc.stringMatching(/^[a-z0-9]{1,6}(-[a-z0-9]{1,3})?\.(test|example\.net)$/);
  fc.assert(
    fc.property(local, domain, fc.integer({ min: 0, max: 2000 }), (user, host, day) => {
      const address = toAddress(`${user}@${host}`);
      const ours = toSrs(address, OURS, RULE, NOW + day * DAY);
      assert.ok(ours && ours.localPart.length <= 64);
      assert.deepEqual(readSrs(ours, OURS, RULE, NOW + day * DAY), { kind: "sender", address });
    }),
  );
});

test("a server on the way may change the case of the local part", () => {
  const ours = forward("Ann@first.test")!;
  assert.deepEqual(back(ours.toUpperCase()).kind, "sender");
  assert.deepEqual(back(ours.toLowerCase()), sender("ann@first.test"));
});

test("an address of SRS is good for 21 days and not for 22, nor when its day comes again", () => {
  const ours = forward("ann@first.test")!;
  assert.equal(back(ours, NOW + 21 * DAY).kind, "sender");
  assert.equal(back(ours, NOW + 22 * DAY).kind, "stale");
  assert.equal(back(ours, NOW + 1000 * DAY).kind, "stale");
  // From tomorrow: a clock that was set back. It is as old as it can be.
  assert.equal(back(ours, NOW - DAY).kind, "stale");
});

test("whatever is changed in it is forged", () => {
  const ours = forward("ann@first.test")!;
  for (const [from, to] of [
    ["=ann@", "=bob@"],
    ["=first.test=", "=other.test="],
    ["SRS0=", "SRS0=a"],
    [/^SRS0=./, "SRS0=1"],
  ] as const)
    assert.equal(back(ours.replace(from, to)).kind, "forged", String(to));
  const [, hash = "", day = ""] = ours.split("=");
  assert.equal(back(ours.replace(`=${day}=`, day === "aa" ? "=ab=" : "=aa=")).kind, "forged");
  assert.equal(back(ours.replace(hash, hash.slice(0, 5))).kind, "forged");
  for (const spoken of ["SRS0=", "SRS0", "SRS0=a=b", "SRS0+abcdef=aa=x.test=ann", "SRS1=a=b=c"])
    assert.equal(back(`${spoken}@example.org`).kind, "forged", spoken);
});

test("the keys that were before still verify, others do not", () => {
  const ours = forward("ann@first.test")!;
  assert.equal(back(ours, NOW, ring(key(1, "b"), key(0, "a"))).kind, "sender");
  assert.equal(back(ours, NOW, ring(key(1, "b"))).kind, "forged");
});

test("an address that another forwarder made goes straight back to that one, however often", () => {
  const first = "SRS0=xyzw=ab=origin.test=ann@first.test";
  const ours = forward(first)!;
  assert.match(ours, /^SRS1=[a-z2-7]{6}=first\.test==xyzw=ab=origin\.test=ann@example\.org$/);
  assert.deepEqual(back(ours), sender(first));
  const second = "SRS1=qq=first.test==xyzw=ab=origin.test=ann@second.test";
  assert.deepEqual(back(forward(second)!), sender(first));
  assert.equal(back(ours.replace("first.test", "evil.test")).kind, "forged");
  const plus = "SRS0+xyzw=ab=origin.test=ann@first.test";
  assert.deepEqual(back(forward(plus)!), sender(plus));
});

test("what cannot be said in 64 octets, quoted parts and literals have no address of SRS", () => {
  assert.equal(forward(`${"a".repeat(60)}@first.test`), null);
  assert.equal(forward('"a b"@first.test'), null);
  assert.equal(forward("ann@[192.0.2.1]"), null);
});
