import assert from "node:assert/strict";
import { test } from "node:test";
import { createDnsCache } from "../../src/net/dns-cache.ts";
import type { Lookup } from "../../src/net/resolver.ts";
import { createFakeClock } from "../support/fake-clock.ts";

const found = (text: string) => ({
  lookup: { kind: "found", records: [text], ttlSeconds: 300 } satisfies Lookup<string>,
  ttlSeconds: 300,
});

test("the cache drops what was not used for the longest time when it has too many entries", () => {
  const cache = createDnsCache(createFakeClock(), { maxEntries: 2, maxChars: 1000 });
  cache.put("a", found("1"));
  cache.put("b", found("2"));
  assert.ok(cache.get("a"));
  cache.put("c", found("3"));
  assert.equal(cache.get("b"), null);
  assert.ok(cache.get("a"));
  assert.ok(cache.get("c"));
  assert.equal(cache.size(), 2);
});

test("the cache is bounded by the size of what it keeps", () => {
  const cache = createDnsCache(createFakeClock(), { maxEntries: 1000, maxChars: 10_000 });
  for (let i = 0; i < 100; i++) cache.put(`n${i}`, found("x".repeat(1000)));
  assert.ok(cache.size() < 10);
  cache.put("huge", found("x".repeat(20_000)));
  assert.equal(cache.get("huge"), null);
  assert.ok(cache.size() > 0);
});

test("the cache frees the room of an entry that is put again", () => {
  const cache = createDnsCache(createFakeClock(), { maxEntries: 1000, maxChars: 3000 });
  for (let i = 0; i < 100; i++) cache.put("same", found("x".repeat(1000)));
  cache.put("other", found("x".repeat(1000)));
  assert.ok(cache.get("same"));
  assert.ok(cache.get("other"));
});

test("the cache never keeps a failure", () => {
  const cache = createDnsCache(createFakeClock());
  cache.put("a", { lookup: { kind: "temporary", reason: "SERVFAIL" }, ttlSeconds: 300 });
  assert.equal(cache.get("a"), null);
});
