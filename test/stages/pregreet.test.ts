import assert from "node:assert/strict";
import { test } from "node:test";
import { createLookupScope } from "../../src/net/resolver.ts";
import type { StageReport } from "../../src/pipeline/report.ts";
import { greetDelaySeconds, pregreetStage } from "../../src/stages/pregreet.ts";
import { connectFacts, reportWith } from "../support/connect-facts.ts";

async function judge(
  reports: readonly StageReport[],
  options: object = {},
  scores = new Map<string, number>(),
) {
  const scoreOf = ({ symbol, score }: { symbol: string; score: number }) =>
    scores.get(symbol) ?? score;
  const stage = pregreetStage.bind(pregreetStage.options.parse(options), {
    mode: "enforce",
    scoreOf,
  });
  const { signal } = new AbortController();
  const facts = connectFacts("192.0.2.1", reports);
  const evidence = await stage.observe?.({ ...facts, dns: createLookupScope(signal) }, {}, signal);
  assert.ok(evidence);
  const verdict = stage.judge(evidence, facts);
  const own = reportWith("pregreet", 0, { evidence, verdict });
  return { own, seconds: greetDelaySeconds([...reports, own]), kind: verdict.kind };
}

test("who is suspicious waits, who is not does not", async () => {
  assert.equal((await judge([reportWith("dnsbl", 3)])).seconds, 6);
  assert.equal((await judge([reportWith("dnsbl", 2), reportWith("reverse-dns", 1)])).seconds, 6);
  assert.equal((await judge([reportWith("dnsbl", 2.9)])).seconds, 0);
  assert.equal((await judge([reportWith("dnsbl", 4), reportWith("dnswl", -3)])).seconds, 0);
  assert.equal((await judge([])).seconds, 0);
});

test("policy says from when and how long", async () => {
  const listed = [reportWith("dnsbl", 1)];
  assert.equal((await judge(listed, { from: 1, delaySeconds: 20 })).seconds, 20);
  assert.equal((await judge([reportWith("dnsbl", 50)], { from: null })).seconds, 0);
});

test("the scores of policy count, each symbol once, and not what only watches or was skipped", async () => {
  assert.equal((await judge([reportWith("dnsbl", 0)], {}, new Map([["DNSBL", 5]]))).seconds, 6);
  assert.equal((await judge([reportWith("dnsbl", 2), reportWith("dnsbl", 2)])).seconds, 0);
  assert.equal((await judge([reportWith("dnsbl", 5, { mode: "observe" })])).seconds, 0);
  assert.equal((await judge([reportWith("dnsbl", 5, { outcome: "skipped" })])).seconds, 0);
});

test("it refuses nobody, and without effect where it only watches or did not answer", async () => {
  const { own, kind } = await judge([reportWith("dnsbl", 5)]);
  assert.equal(kind, "neutral");
  assert.equal(greetDelaySeconds([{ ...own, mode: "observe" }]), 0);
  assert.equal(greetDelaySeconds([{ ...own, outcome: "failed", evidence: null }]), 0);
  assert.equal(greetDelaySeconds([]), 0);
});
