import assert from "node:assert/strict";
import { test } from "node:test";
import { checkSpf } from "../../src/auth/spf/check-spf.ts";
import { parseSpfRecord } from "../../src/auth/spf/spf-record.ts";
import { createLookupScope, type Resolver } from "../../src/net/resolver.ts";

/** The longest TXT record that DNS can carry. */
const MAX_RECORD = 65_000;
const LIMIT_MS = 1000;

const filled = (piece: string, end = "") =>
  `v=spf1 ${piece.repeat(Math.floor((MAX_RECORD - end.length) / piece.length))}${end}`;

function msOf(work: () => void): number {
  const started = performance.now();
  work();
  return performance.now() - started;
}

/** Every name has this record, and every address: nothing but the limits ends a check. */
function endlessResolver(record: string): Resolver & { readonly asked: () => number } {
  let asked = 0;
  return {
    lookup: async (_name, type) => {
      asked += 1;
      const records: Record<string, readonly unknown[]> = {
        TXT: [record],
        A: ["203.0.113.9"],
        AAAA: ["2001:db8::9"],
        MX: Array.from({ length: 10 }, (_, i) => ({ preference: i, exchange: `m${i}.example` })),
        PTR: Array.from({ length: 200 }, (_, i) => `p${i}.example.org`),
      };
      return { kind: "found", records: (records[type] ?? []) as never, ttlSeconds: 60 };
    },
    networkQueries: () => asked,
    close() {},
    asked: () => asked,
  };
}

async function check(record: string, localPart = "alice") {
  const resolver = endlessResolver(record);
  const started = performance.now();
  const answer = await checkSpf(
    {
      ip: "192.0.2.1",
      sender: { spoken: "", localPart, domain: "example.org" },
      helo: "mx.example.org",
      receiver: "gw.example.net",
      receivedAt: 0,
    },
    resolver,
    createLookupScope(new AbortController().signal),
  );
  const ms = performance.now() - started;
  assert.ok(ms < LIMIT_MS, `${ms} ms`);
  assert.ok(JSON.stringify(answer).length < 100_000, "evidence stays small");
  return { ...answer, asked: resolver.asked() };
}

for (const [what, record] of [
  ["ten thousand terms", filled("?all ")],
  ["slashes and digits", filled("/1", "x")],
  ["a target of slashes and digits", `${filled("a:").slice(0, 9)}${"/1".repeat(30_000)}x`],
  ["open macros", filled("%{")],
  ["a target of macros", `v=spf1 a:${"%{s}.".repeat(13_000)}%{d}`],
  ["a label of hyphens", `v=spf1 a:a.${"a-".repeat(30_000)}`],
  ["a macro of delimiters", `v=spf1 a:%{d${"-".repeat(60_000)}}`],
  ["a modifier name without an end", `v=spf1 ${"a.".repeat(30_000)}`],
  ["blanks", filled(" ")],
  ["an unknown modifier with a long value", `v=spf1 x=${"%%".repeat(30_000)}`],
] as const)
  test(`a record of ${what} is parsed in linear time`, () => {
    const ms = msOf(() => parseSpfRecord(record));
    assert.ok(ms < LIMIT_MS, `${ms} ms`);
  });

test("ten thousand networks are evaluated with a short trace", async () => {
  const answer = await check(filled("ip4:203.0.113.1 ", "-all"));
  assert.equal(answer.result, "fail");
  assert.ok(answer.omitted > 3000);
  assert.equal(answer.trace.at(-1)?.outcome, "match");
});

test("no record makes more than 10 terms of at most 11 queries, and one for each record", async () => {
  const records = [
    "v=spf1 mx mx mx mx mx mx mx mx mx mx mx",
    "v=spf1 ptr mx:%{p}.x include:%{p}.y",
  ];
  for (const record of [...records, "v=spf1 include:%{l}.%{d} redirect=%{l}.%{d}"]) {
    const answer = await check(record, "a.b");
    assert.equal(answer.result, "permerror");
    assert.ok(answer.asked <= 120, `${answer.asked} queries`);
  }
});

test("macros that repeat a long local part do not add up", async () => {
  const record = `v=spf1 ${"exists:%{l}%{l}%{l}%{l}.%{d} ".repeat(10)}`;
  await check(record, "x.".repeat(1000));
  await check(`v=spf1 exists:${"%{s}.".repeat(13_000)}%{d} -all`, "x.".repeat(100));
});
