import assert from "node:assert/strict";
import { test } from "node:test";
import { createLookupScope } from "../../../src/net/resolver.ts";
import type { ConnectFacts, Views } from "../../../src/pipeline/stage.ts";
import type { Verdict } from "../../../src/pipeline/verdict.ts";
import { accessStage } from "../../../src/stages/access/access.ts";
import { fileEntryKey } from "../../../src/stages/access/entry-key.ts";
import { noExceptions } from "../../support/no-exceptions.ts";

const NEW_YEAR = Date.UTC(2027, 0, 1);

function factsOf(ip: string, receivedAt = NEW_YEAR): ConnectFacts {
  return {
    client: { ip, port: 40000 },
    listener: { name: "internet", kind: "internet", hostname: "mx.example.org" },
    receivedAt,
    seed: "seed",
    reports: [],
  };
}

async function run(file: unknown, ip: string, receivedAt?: number): Promise<Verdict> {
  const stage = accessStage.bind(accessStage.options.parse(file), { mode: "enforce" });
  const facts = factsOf(ip, receivedAt);
  const { signal } = new AbortController();
  const view: Views["connect"] = { ...facts, dns: createLookupScope(signal) };
  const evidence = await stage.observe?.(view, { exceptions: noExceptions() }, signal);
  return stage.judge(evidence ?? null, facts);
}

test("without access.yaml nobody is allowed or blocked", async () => {
  for (const ip of ["127.0.0.1", "10.0.0.1", "203.0.113.9", "2001:db8::1"]) {
    assert.deepEqual(await run({}, ip), { kind: "neutral", findings: [] });
  }
});

test("a blocked client is refused, and the reason stays with us", async () => {
  const verdict = await run(
    { block: [{ client: "203.0.113.9", reason: "floods us" }] },
    "203.0.113.9",
  );
  const entry = fileEntryKey({ list: "block", client: "203.0.113.9" });
  assert.deepEqual(verdict, {
    kind: "reject",
    cause: "client-blocked",
    findings: [{ symbol: "CLIENT_BLOCKED", score: 0, detail: "203.0.113.9: floods us", entry }],
  });
});

test("an allowed client is trusted, by all spam stages or by those in its scope", async () => {
  const allow = [
    { client: "203.0.113.0/24", reason: "partner" },
    { client: "2001:db8::/32", scope: ["dnsbl"], reason: "listed by mistake" },
  ];
  const whole = await run({ allow }, "203.0.113.77");
  assert.ok(whole.kind === "trust");
  assert.equal(whole.scope, undefined);
  const scoped = await run({ allow }, "2001:db8:1::1");
  assert.ok(scoped.kind === "trust");
  assert.deepEqual(scoped.scope, ["dnsbl"]);
  assert.equal((await run({ allow }, "2001:db9::1")).kind, "neutral");
  assert.equal((await run({ allow }, "203.0.114.1")).kind, "neutral");
});

test("the most specific entry counts, and of equal ones the block", async () => {
  const file = {
    allow: [
      { client: "10.1.0.0/16", reason: "branch" },
      { client: "10.1.2.3", reason: "its server" },
      { client: "10.9.0.0/16", reason: "both" },
    ],
    block: [
      { client: "10.0.0.0/8", reason: "internal" },
      { client: "10.1.2.0/24", reason: "guests" },
      { client: "10.9.0.0/16", reason: "both" },
      { client: "0.0.0.0/0", reason: "all of IPv4" },
    ],
  };
  const kind = async (ip: string) => (await run(file, ip)).kind;
  assert.equal(await kind("10.200.0.1"), "reject");
  assert.equal(await kind("10.1.7.7"), "trust");
  assert.equal(await kind("10.1.2.9"), "reject");
  assert.equal(await kind("10.1.2.3"), "trust");
  assert.equal(await kind("10.9.1.1"), "reject");
  assert.equal(await kind("192.0.2.1"), "reject");
  assert.equal(await kind("2001:db8::1"), "neutral");
});

test("an expired entry has no effect and uncovers the next one", async () => {
  const file = {
    allow: [{ client: "192.0.2.0/24", reason: "network" }],
    block: [{ client: "192.0.2.1", reason: "bad week", expires: "2027-01-01" }],
  };
  const end = Date.UTC(2027, 0, 2);
  assert.equal((await run(file, "192.0.2.1", end - 1)).kind, "reject");
  assert.equal((await run(file, "192.0.2.1", end)).kind, "trust");
  const exact = { block: [{ client: "::1", reason: "x", expires: "2027-01-01T12:00:00+01:00" }] };
  assert.equal((await run(exact, "::1", Date.UTC(2027, 0, 1, 11) - 1)).kind, "reject");
  assert.equal((await run(exact, "::1", Date.UTC(2027, 0, 1, 11))).kind, "neutral");
});

test("an IPv4-mapped entry is the IPv4 client", async () => {
  const file = { block: [{ client: "::ffff:192.0.2.1", reason: "x" }] };
  assert.equal((await run(file, "192.0.2.1")).kind, "reject");
});

test("what is no client, has no reason or no effect is refused", () => {
  const bad: readonly unknown[] = [
    { allow: [{ client: "192.0.2.1" }] },
    { allow: [{ client: "192.0.2.1", reason: "  " }] },
    { allow: [{ client: "192.0.2.1/24", reason: "host bits" }] },
    { allow: [{ client: "192.0.2.0/33", reason: "x" }] },
    { allow: [{ client: "192.0.2.0/024", reason: "x" }] },
    { allow: [{ client: "192.0.2.0/24/8", reason: "x" }] },
    { allow: [{ client: "127.1", reason: "short" }] },
    { allow: [{ client: "0177.0.0.1", reason: "octal" }] },
    { allow: [{ client: "fe80::1%eth0", reason: "zone" }] },
    { allow: [{ client: "mail.example.org", reason: "name" }] },
    { allow: [{ client: "", reason: "x" }] },
    { allow: [{ client: "::1", reason: "x", scope: [] }] },
    { allow: [{ client: "::1", reason: "x", scope: ["antivirus"] }] },
    { allow: [{ client: "::1", reason: "x", scope: ["DNSBL"] }] },
    { allow: [{ client: "::1", reason: "x", expires: "soon" }] },
    { allow: [{ client: "::1", reason: "x", expires: "2027-02-30" }] },
    { allow: [{ client: "::1", reason: "x", expires: "2027-01-01T12:00:00" }] },
    { allow: [{ client: "::1", reason: "x", until: "2027-01-01" }] },
    { block: [{ client: "::1", reason: "x", scope: ["dnsbl"] }] },
    {
      block: [
        { client: "::1", reason: "x" },
        { client: "0:0::1", reason: "y" },
      ],
    },
    { blocked: [] },
  ];
  for (const file of bad) {
    assert.equal(accessStage.options.safeParse(file).success, false, JSON.stringify(file));
  }
});

test("a hundred thousand entries are looked up as fast as one", async () => {
  const block = Array.from({ length: 100_000 }, (_, i) => ({
    client: `11.${i >> 16}.${(i >> 8) & 255}.${i & 255}`,
    reason: "x",
  }));
  const file = { block, allow: [{ client: "11.0.0.0/8", reason: "y" }] };
  const stage = accessStage.bind(accessStage.options.parse(file), { mode: "enforce" });
  const facts = factsOf("11.1.0.7");
  const started = performance.now();
  for (let i = 0; i < 10_000; i++) stage.judge({ client: "11.1.0.7" }, facts);
  const microseconds = ((performance.now() - started) / 10_000) * 1000;
  assert.equal(stage.judge({ client: "11.1.0.7" }, facts).kind, "reject");
  assert.equal(stage.judge({ client: "11.200.0.7" }, facts).kind, "trust");
  assert.ok(microseconds < 200, `${microseconds} µs`);
});

test("a replay under another list judges the same client anew", async () => {
  const stored = { client: "192.0.2.1" };
  const later = { block: [{ client: "192.0.2.0/24", reason: "now known" }] };
  const stage = accessStage.bind(accessStage.options.parse(later), { mode: "enforce" });
  assert.equal(stage.judge(stored, factsOf("192.0.2.1")).kind, "reject");
});
