import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createDkimReading } from "../../../src/auth/dkim/check-dkim.ts";
import { createKeyLookup } from "../../../src/auth/dkim/key-lookup.ts";
import { parseDmarcRecord } from "../../../src/auth/dmarc/dmarc-record.ts";
import { createLookupScope, type Resolver } from "../../../src/net/resolver.ts";
import { makeRsaKey, signMessage } from "../../support/dkim-signer.ts";

const KEY = makeRsaKey(1024);
const PLAIN = "From: a@example.org\r\nSubject: x\r\n\r\nHello\r\n";
const SIGNED = signMessage(PLAIN, { key: KEY, domain: "example.org", signed: "from:subject" });
const RUNS = { numRuns: 2000 };

const noise = fc.constantFrom(
  ...'\0\t \r\n;=:@.,"<>()\\\x7f\x80\xff'.split(""),
  "\r\n ",
  ...[
    "v=1",
    "a=",
    "b=",
    "bh=",
    "d=",
    "h=from",
    "l=",
    "s=",
    "x=",
    "p=",
    "k=rsa",
    "99999999999999999",
  ],
);

async function verify(message: string, record: string) {
  const everywhere = {
    lookup: async () => ({ kind: "found", records: [record], ttlSeconds: 60 }),
  } as unknown as Pick<Resolver, "lookup">;
  const reading = createDkimReading();
  reading.write(Buffer.from(message, "latin1"));
  const keys = createKeyLookup(everywhere, createLookupScope(new AbortController().signal));
  return (await reading.end({ receivedAt: 0, mustSign: ["from"], keys })).signatures;
}

/** Something put anywhere into a text instead of a few characters of it. */
const damaged = (text: string) =>
  fc
    .tuple(fc.nat(text.length), fc.nat(4), noise)
    .map(([at, cut, piece]) => text.slice(0, at) + piece + text.slice(at + cut));

test("no damage to a signed header makes the verifier throw, or pass for another domain", async () => {
  await fc.assert(
    fc.asyncProperty(damaged(SIGNED.slice(0, SIGNED.indexOf("\r\n\r\n"))), async (head) => {
      const signatures = await verify(`${head}\r\n\r\nHello\r\n`, KEY.record);
      for (const { result, domain } of signatures)
        if (result === "pass") assert.equal(domain, "example.org", JSON.stringify(head));
    }),
    RUNS,
  );
});

test("no damage to a key record makes the verifier throw, and the key must stay the key", async () => {
  const p = KEY.record.slice(KEY.record.indexOf("p=") + 2);
  await fc.assert(
    fc.asyncProperty(damaged(KEY.record), async (record) => {
      const [one] = await verify(SIGNED, record);
      if (one?.result === "pass") assert.ok(record.replace(/[ \t\r\n]/g, "").includes(p), record);
    }),
    RUNS,
  );
});

test("whatever stands in a record of DMARC, it is read or it is none", () => {
  const tags = fc.array(
    fc.oneof(noise, fc.constantFrom("v=DMARC1", ";", "p=reject", "sp=none", "np=x")),
  );
  fc.assert(
    fc.property(tags, (pieces) => {
      const record = parseDmarcRecord(pieces.join(""));
      assert.ok(record === null || ["none", "quarantine", "reject"].includes(record.p));
    }),
    RUNS,
  );
});
