import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { createArcReading } from "../../src/auth/arc/check-arc.ts";
import { createKeyLookup } from "../../src/auth/dkim/key-lookup.ts";
import { createLookupScope } from "../../src/net/resolver.ts";
import { conformanceData } from "../support/conformance-data.ts";
import { makeRsaKey } from "../support/dkim-signer.ts";
import { toZoneResolver } from "../support/zone-resolver.ts";

/*
 * Chains of Google in mailauth's messages. Their key is gone from DNS. With any other, a chain that is
 * right comes as far as its newest signature, whose hash of the body is checked before; one that is
 * wrong in itself fails before a key is asked for.
 */
const data = conformanceData("mailauth-fixtures");
const KEY = "arc-20160816._domainkey.google.com";
const CHANGED = "message signature: what it signs was changed";
const PASS = { result: "pass", from: "zone.ee" };

/** Later than all of them. */
const RECEIVED_AT = Date.UTC(2026, 0, 1);

async function check(name: string, chunkBytes: number) {
  const text = readFileSync(join(data.folder, `${name}.eml`), "latin1").replace(/\r?\n/g, "\r\n");
  const bytes = Buffer.from(text, "latin1");
  const reading = createArcReading();
  for (let at = 0; at < bytes.length; at += chunkBytes)
    reading.write(bytes.subarray(at, at + chunkBytes));
  const resolver = toZoneResolver({ [`TXT ${KEY}`]: [makeRsaKey(1024).record] });
  const keys = createKeyLookup(resolver, createLookupScope(new AbortController().signal));
  return reading.end({ keys, receivedAt: RECEIVED_AT });
}

describe("mailauth's chains", { skip: data.skip }, () => {
  for (const [name, reason, sealed, asked] of [
    ["arc-pass", CHANGED, [null, null], [KEY]],
    ["arc-pass2", CHANGED, [PASS, { result: "fail", from: "zone.ee" }], [KEY]],
    ["arc-fail", CHANGED, [PASS, { result: "fail", from: "zone.ee" }], [KEY]],
    ["arc-fail2", CHANGED, [PASS, { result: "fail", from: "zone.ee" }], [KEY]],
    ["arc-fail3", "seal 2 says cv=fail", [], []],
    ["authtest", CHANGED, [null], [KEY]],
    ["bimi", CHANGED, [{ result: "pass", from: "srv.dev" }], [KEY]],
    ["zbimi", CHANGED, [PASS], [KEY]],
    ["message1", null, [], []],
  ] as const)
    test(`${name} is read as Google wrote it: ${reason ?? "no chain"}`, async () => {
      for (const chunkBytes of [1, 7, 65_536]) {
        const got = await check(name, chunkBytes);
        assert.equal(got.result, reason === null ? "none" : "fail");
        assert.equal(got.reason, reason);
        assert.deepEqual(
          got.sets.map(({ dmarc }) => dmarc),
          sealed,
        );
        assert.deepEqual(
          got.keys.map((key) => key.name),
          asked,
        );
      }
    });
});
