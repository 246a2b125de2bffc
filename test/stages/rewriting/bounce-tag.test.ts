import assert from "node:assert/strict";
import { test } from "node:test";
import { createLookupScope } from "../../../src/net/resolver.ts";
import type { RcptFacts } from "../../../src/pipeline/stage.ts";
import { bounceTagStage } from "../../../src/stages/rewriting/bounce-tag.ts";
import { rewritingOf } from "../../policy/rewriting-policy.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { RELAYED, rcptFacts } from "../../support/rcpt-facts.ts";
import { toAddress } from "../../support/spool-item.ts";
import { testReport } from "../../support/test-records.ts";

const DAY = 24 * 60 * 60 * 1000;
const key = { number: 0, secret: Buffer.alloc(32, "a") };
const addressKeys = { read: async () => ({ current: key, all: [key] }) };
const clock = createFakeClock();
const bound = (mode: string) =>
  bounceTagStage.bind(rewritingOf({ bounceTags: { "example.org": { mode } } }), {
    mode: "enforce",
  });
const enforcing = bound("enforce");

async function run(facts: RcptFacts, stage = enforcing) {
  const { signal } = new AbortController();
  const view = { ...facts, dns: createLookupScope(signal) };
  const evidence = await stage.observe!(view, { addressKeys, clock }, signal);
  const verdict = stage.judge(evidence, facts);
  return { evidence, verdict, symbols: verdict.findings.map(({ symbol }) => symbol) };
}

async function tagged(): Promise<string> {
  const { verdict } = await run(rcptFacts("ann@example.org", "bob@friend.test", RELAYED));
  const [edit] = verdict.edits ?? [];
  assert.ok(edit?.kind === "set-sender");
  return edit.sender.spoken;
}

const stripped = [{ kind: "replace-recipient", address: toAddress("ann@example.org") }];

test("a sender of a tagged domain leaves with a tag, as it was rewritten before", async () => {
  assert.match(await tagged(), /^prvs=0\d{3}[0-9a-f]{6}=ann@example\.org$/);
  const rewritten = testReport("rewrite-sender", {
    verdict: {
      kind: "neutral",
      findings: [],
      edits: [{ kind: "set-sender", sender: toAddress("john@example.org") }],
    },
  });
  const { verdict } = await run(
    rcptFacts("j.doe@corp.example.org", "bob@friend.test", { ...RELAYED, reports: [rewritten] }),
  );
  const [edit] = verdict.edits ?? [];
  assert.match(edit?.kind === "set-sender" ? edit.sender.spoken : "", /=john@example\.org$/);
});

test("no tag for our own domains, for other senders, for the null sender, or twice", async () => {
  const twice = await tagged();
  for (const facts of [
    rcptFacts("ann@example.org", "bob@corp.example.org", RELAYED),
    rcptFacts("ann@corp.example.org", "bob@friend.test", RELAYED),
    rcptFacts(null, "bob@friend.test", RELAYED),
    rcptFacts(twice, "bob@friend.test", RELAYED),
    rcptFacts("ann@example.org", "bob@friend.test"),
  ])
    assert.deepEqual((await run(facts)).verdict, { kind: "neutral", findings: [] });
});

test("a bounce with the tag finds its recipient without it", async () => {
  const { verdict, symbols } = await run(rcptFacts(null, await tagged()));
  assert.equal(verdict.kind, "neutral");
  assert.deepEqual([symbols, verdict.edits], [["BOUNCE_TAG_VALID"], stripped]);
});

for (const [what, symbol, change] of [
  ["without a tag", "BOUNCE_UNTAGGED", () => "ann@example.org"],
  ["with a forged tag", "BOUNCE_TAG_FORGED", () => "prvs=0123abcdef=ann@example.org"],
  [
    "with the tag of another",
    "BOUNCE_TAG_FORGED",
    (ours: string) => ours.replace("=ann@", "=bob@"),
  ],
] as const)
  test(`a bounce ${what} is refused, and only marked while the domain observes`, async () => {
    const facts = rcptFacts(null, change(await tagged()));
    const { verdict, symbols } = await run(facts);
    assert.ok(verdict.kind === "reject" && verdict.cause === "bounce-untagged");
    assert.deepEqual(symbols, [symbol]);
    const watched = await run(facts, bound("observe"));
    assert.equal(watched.verdict.kind, "neutral");
    assert.deepEqual(watched.symbols, [symbol]);
    assert.deepEqual(watched.verdict.edits, verdict.edits);
  });

test("a tag ends after its days", async () => {
  const ours = await tagged();
  await clock.advance(8 * DAY);
  assert.deepEqual((await run(rcptFacts(null, ours))).symbols, ["BOUNCE_TAG_EXPIRED"]);
});

test("mail that is no bounce is taken with any tag or none, and the tag goes", async () => {
  for (const spoken of [await tagged(), "prvs=0123abcdef=ann@example.org"]) {
    const { verdict } = await run(rcptFacts("bob@friend.test", spoken));
    assert.deepEqual(verdict, { kind: "neutral", findings: [], edits: stripped });
  }
  const plain = await run(rcptFacts("bob@friend.test", "ann@example.org"));
  assert.deepEqual(plain.verdict, { kind: "neutral", findings: [], edits: [] });
});

test("postmaster and abuse, other domains, and bounces that our hub sends need no tag", async () => {
  for (const facts of [
    rcptFacts(null, "postmaster@example.org"),
    rcptFacts(null, "Abuse@example.org"),
    rcptFacts(null, '"postmaster"@example.org'),
    rcptFacts(null, "ann@corp.example.org"),
    rcptFacts(null, "ann@example.org", RELAYED),
  ])
    assert.equal((await run(facts)).verdict.kind, "neutral", facts.recipient.spoken);
});

test("a bounce to an address of SRS is for SRS to check", async () => {
  const policy = rewritingOf({
    srs: { domain: "example.org" },
    bounceTags: { "example.org": { mode: "enforce" } },
  });
  const stage = bounceTagStage.bind(policy, { mode: "enforce" });
  const facts = rcptFacts(null, "SRS0=abcdef=aa=first.test=ann@example.org");
  assert.deepEqual((await run(facts, stage)).verdict, { kind: "neutral", findings: [] });
});

test("the verdict comes from the evidence alone: a replay needs no key", async () => {
  const facts = rcptFacts(null, await tagged());
  const { evidence, verdict } = await run(facts);
  assert.deepEqual(enforcing.judge(JSON.parse(JSON.stringify(evidence)), facts), verdict);
  assert.equal(enforcing.judge({ kind: "none" }, facts).kind, "unknown");
});
