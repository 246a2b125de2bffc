import assert from "node:assert/strict";
import { test } from "node:test";
import { createLookupScope } from "../../../src/net/resolver.ts";
import type { RcptFacts } from "../../../src/pipeline/stage.ts";
import { srsStage } from "../../../src/stages/rewriting/srs.ts";
import { rewritingOf } from "../../policy/rewriting-policy.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { RELAYED, rcptFacts } from "../../support/rcpt-facts.ts";
import { toAddress } from "../../support/spool-item.ts";
import { testReport } from "../../support/test-records.ts";

const DAY = 24 * 60 * 60 * 1000;
const key = { number: 0, secret: Buffer.alloc(32, "a") };
const addressKeys = { read: async () => ({ current: key, all: [key] }) };
const clock = createFakeClock();
const stage = srsStage.bind(rewritingOf({ srs: { domain: "example.org" } }), { mode: "enforce" });

async function run(facts: RcptFacts) {
  const { signal } = new AbortController();
  const view = { ...facts, dns: createLookupScope(signal) };
  const evidence = await stage.observe!(view, { addressKeys, clock }, signal);
  const verdict = stage.judge(evidence, facts);
  return { evidence, verdict, symbols: verdict.findings.map(({ symbol }) => symbol) };
}

/** As an earlier stage leaves it. */
const redirectedTo = (spoken: string) => ({
  reports: [
    testReport("rewrite-recipient", {
      phase: "rcpt",
      verdict: {
        kind: "neutral",
        findings: [],
        edits: [{ kind: "replace-recipient", address: toAddress(spoken) }],
      },
    }),
  ],
});

const OUTSIDE = redirectedTo("sales@partner.test");

async function forwarded(): Promise<string> {
  const { verdict } = await run(rcptFacts("ann@first.test", "sales@example.org", OUTSIDE));
  const [edit] = verdict.edits ?? [];
  assert.ok(edit?.kind === "set-sender");
  return edit.sender.spoken;
}

test("mail that is redirected outside gets a sender of ours", async () => {
  assert.match(await forwarded(), /^SRS0=.*=first\.test=ann@example\.org$/);
});

test("other mail keeps its sender", async () => {
  const inside = redirectedTo("sales@corp.example.org");
  for (const facts of [
    rcptFacts("ann@first.test", "sales@example.org"),
    rcptFacts("ann@first.test", "sales@example.org", inside),
    rcptFacts(null, "sales@example.org", OUTSIDE),
    rcptFacts("bob@example.org", "sales@example.org", OUTSIDE),
    rcptFacts("bob@example.org", "sales@partner.test", RELAYED),
    rcptFacts("ann@first.test", "sales@partner.test"),
  ]) {
    const { verdict, evidence } = await run(facts);
    assert.deepEqual(evidence, { kind: "none" });
    assert.deepEqual(verdict, { kind: "neutral", findings: [] });
  }
});

test("a sender that has no address of SRS stays, and it is told", async () => {
  const { verdict, symbols } = await run(
    rcptFacts(`${"a".repeat(60)}@first.test`, "sales@example.org", OUTSIDE),
  );
  assert.equal(verdict.kind, "neutral");
  assert.deepEqual([symbols, verdict.edits], [["SRS_IMPOSSIBLE"], undefined]);
});

test("a bounce to an address of ours goes to who sent first", async () => {
  const { verdict, symbols } = await run(rcptFacts(null, await forwarded()));
  assert.deepEqual(symbols, ["SRS_RETURNED"]);
  assert.deepEqual(verdict.edits, [
    { kind: "replace-recipient", address: toAddress("ann@first.test") },
  ]);
});

test("whatever is no bounce, forged or old is refused as an unknown recipient", async () => {
  const ours = await forwarded();
  const evil = ours.replace("=first.test=", "=evil.test=");
  for (const [symbol, facts] of [
    ["SRS_NOT_A_BOUNCE", rcptFacts("eve@evil.test", ours)],
    ["SRS_FORGED", rcptFacts(null, evil)],
    ["SRS_FORGED", rcptFacts(null, "srs1=abcdef=x==y@example.org")],
  ] as const) {
    const { verdict, symbols } = await run(facts);
    assert.ok(verdict.kind === "reject" && verdict.cause === "recipient-unknown");
    assert.deepEqual(symbols, [symbol]);
    assert.equal(verdict.edits, undefined);
  }
  await clock.advance(22 * DAY);
  assert.deepEqual((await run(rcptFacts(null, ours))).symbols, ["SRS_STALE"]);
});

test("the verdict comes from the evidence alone: a replay needs no key", async () => {
  const facts = rcptFacts(null, await forwarded());
  const { evidence, verdict } = await run(facts);
  assert.deepEqual(stage.judge(JSON.parse(JSON.stringify(evidence)), facts), verdict);
  assert.equal(stage.judge({ kind: "none" }, facts).kind, "unknown");
});
