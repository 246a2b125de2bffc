import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createLookupScope } from "../../src/net/resolver.ts";
import type { MailFacts } from "../../src/pipeline/stage.ts";
import { type SpfEvidence, spfStage } from "../../src/stages/spf.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import type { FakeZone } from "../support/fake-dns.ts";
import { fakedResolver } from "../support/faked-resolver.ts";

const FACTS: MailFacts = {
  client: { ip: "192.0.2.1", port: 40000 },
  listener: { name: "internet", kind: "internet", hostname: "gw.example.net" },
  receivedAt: Date.UTC(2026, 0, 1),
  seed: "seed",
  reports: [],
  helo: { verb: "EHLO", name: "mx.example.org" },
  tls: null,
  relay: null,
  sender: { spoken: "alice@example.org", localPart: "alice", domain: "example.org" },
  mail: { body: "7bit", smtputf8: false },
};

function bind(options: object = {}) {
  return spfStage.bind(spfStage.options.parse(options), { mode: "enforce" });
}

async function run(t: TestContext, zone: FakeZone, facts = FACTS, options = {}) {
  const clock = createFakeClock();
  const { dns, resolver } = await fakedResolver(t, zone, clock);
  dns.onDrop(() => void clock.advance(2000));
  const { signal } = new AbortController();
  const stage = bind(options);
  const view = { ...facts, dns: createLookupScope(signal) };
  const evidence = await stage.observe?.(view, { resolver, clock }, signal);
  assert.ok(evidence);
  assert.equal(clock.pendingTimers(), 0);
  return {
    evidence: evidence as unknown as SpfEvidence,
    verdict: stage.judge(evidence, facts),
  };
}

const zone = (record: string): FakeZone => ({
  "example.org": { TXT: [record] },
  "why.example.org": { TXT: ["%{i} may not send for %{d}"] },
});

for (const [record, symbol, score] of [
  ["v=spf1 ip4:192.0.2.1 -all", "SPF_PASS", 0],
  ["v=spf1 -all", "SPF_FAIL", 4],
  ["v=spf1 ~all", "SPF_SOFTFAIL", 2],
  ["v=spf1 ?all", "SPF_NEUTRAL", 0],
  ["no record", "SPF_NONE", 0],
  ["v=spf1 nonsense", "SPF_PERMERROR", 0.5],
] as const)
  test(`"${record}" is stamped ${symbol} and refuses nobody`, async (t) => {
    const { verdict } = await run(t, zone(record));
    assert.equal(verdict.kind, "neutral");
    assert.deepEqual(
      verdict.findings.map((finding) => [finding.symbol, finding.score]),
      [[symbol, score]],
    );
  });

test("a fail is refused with the domain's own words when policy says so", async (t) => {
  const record = "v=spf1 -all exp=why.example.org";
  const { verdict } = await run(t, zone(record), FACTS, { fail: "reject" });
  assert.ok(verdict.kind === "reject");
  assert.equal(verdict.cause, "spf-fail");
  assert.deepEqual(verdict.about, {
    domain: "example.org",
    explanation: "192.0.2.1 may not send for example.org",
  });
});

test("a softfail is never refused", async (t) => {
  const { verdict } = await run(t, zone("v=spf1 ~all"), FACTS, { fail: "reject" });
  assert.equal(verdict.kind, "neutral");
});

test("a null sender is checked by its HELO name", async (t) => {
  const facts = { ...FACTS, sender: null };
  const { evidence } = await run(t, { "mx.example.org": { TXT: ["v=spf1 a -all"] } }, facts);
  assert.equal(evidence.identity, "helo");
  assert.equal(evidence.sender, "postmaster@mx.example.org");
  assert.equal(evidence.result, "fail");
});

test("a zone that does not answer is stamped, or deferred when policy says so", async (t) => {
  const silent = { "example.org": { silent: true } };
  const stamped = await run(t, silent);
  assert.equal(stamped.verdict.kind, "neutral");
  assert.equal(stamped.verdict.findings[0]?.symbol, "SPF_TEMPERROR");
  const { verdict } = await run(t, silent, FACTS, { temperror: "defer" });
  assert.ok(verdict.kind === "defer");
  assert.equal(verdict.cause, "spf-temporary");
});

test("a record whose zones are slow ends at the wall with a temperror and its trace", async (t) => {
  const slow = { silent: true };
  const { evidence } = await run(t, {
    "example.org": { TXT: ["v=spf1 ptr ptr ptr ptr:a.example +all"] },
    "1.2.0.192.in-addr.arpa": slow,
  });
  assert.equal(evidence.result, "temperror");
  assert.equal(evidence.problem, "not finished in time");
  assert.equal(evidence.trace.at(-1)?.outcome, "temperror: not finished in time");
});

test("the evidence is JSON and is judged the same under another policy later", async (t) => {
  const { evidence } = await run(t, zone("v=spf1 -all"));
  const stored = JSON.parse(JSON.stringify(evidence));
  assert.deepEqual(stored, evidence);
  const strict = bind({ fail: "reject", scores: { fail: 9 } }).judge(stored, FACTS);
  assert.equal(strict.kind, "reject");
  assert.equal(strict.findings[0]?.score, 9);
});

test("unknown options are errors, and everything has a default", () => {
  assert.equal(spfStage.options.safeParse({}).success, true);
  for (const wrong of [{ softfail: 1 }, { fail: "drop" }, { scores: { soft: 1 } }])
    assert.equal(spfStage.options.safeParse(wrong).success, false, JSON.stringify(wrong));
});

const HELO_ZONE: FakeZone = {
  "example.org": { TXT: ["v=spf1 ip4:192.0.2.1 -all"] },
  "mx.example.org": { TXT: ["v=spf1 -all"] },
};

test("the HELO name is checked beside MAIL FROM when policy says so, marked, and refuses nobody", async (t) => {
  const { evidence, verdict } = await run(t, HELO_ZONE, FACTS, { helo: "always", fail: "reject" });
  assert.deepEqual(
    [evidence.result, evidence.identity, evidence.heloCheck?.result, evidence.heloCheck?.identity],
    ["pass", "mailfrom", "fail", "helo"],
  );
  assert.equal(verdict.kind, "neutral");
  assert.deepEqual(
    verdict.findings.map(({ symbol, score, detail }) => [symbol, score, detail]),
    [
      ["SPF_PASS", 0, "example.org: ip4:192.0.2.1"],
      ["SPF_HELO_FAIL", 1, "mx.example.org: -all"],
    ],
  );
  const shipped = await run(t, HELO_ZONE);
  assert.deepEqual(Object.keys(shipped.evidence).includes("heloCheck"), false);
});

test("a HELO name that is no name of several labels is not asked about", async (t) => {
  for (const name of ["[192.0.2.1]", "localhost", "-x.test"]) {
    const facts = { ...FACTS, helo: { verb: "EHLO", name } } as const;
    const { evidence, verdict } = await run(t, HELO_ZONE, facts, { helo: "always" });
    assert.equal(evidence.heloCheck, null, name);
    assert.equal(verdict.findings.length, 1);
  }
});

test("the null sender has one check, of the HELO name, whatever policy says", async (t) => {
  const facts = { ...FACTS, sender: null };
  const { evidence, verdict } = await run(t, HELO_ZONE, facts, { helo: "always" });
  assert.deepEqual([evidence.identity, evidence.heloCheck], ["helo", undefined]);
  assert.equal(verdict.findings[0]?.symbol, "SPF_FAIL");
});

test("a replay under another policy says that nobody asked about the HELO name", async (t) => {
  const { evidence } = await run(t, HELO_ZONE);
  const later = bind({ helo: "always" }).judge(JSON.parse(JSON.stringify(evidence)), FACTS);
  assert.ok(later.kind === "unknown");
  assert.deepEqual(later.missing, ["SPF of the HELO name"]);
  const both = await run(t, HELO_ZONE, FACTS, { helo: "always" });
  const earlier = bind().judge(JSON.parse(JSON.stringify(both.evidence)), FACTS);
  assert.deepEqual(
    earlier.findings.map(({ symbol }) => symbol),
    ["SPF_PASS"],
  );
});
