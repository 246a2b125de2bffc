import assert from "node:assert/strict";
import { test } from "node:test";
import { createMetrics } from "../../src/base/metrics.ts";
import { countFacts } from "../../src/gateway/tell-facts.ts";
import { createFactBus, type Fact } from "../../src/pipeline/facts.ts";
import { testId } from "../support/test-records.ts";

test("bounces are counted by what they tell", async () => {
  const metrics = createMetrics();
  const facts = createFactBus((error) => {
    throw error;
  });
  countFacts(facts, metrics);
  const base = { at: 0, id: testId(1), recipients: ["a@x.test"], hub: null, reply: "" };
  const kinds = ["bounced", "told-of-delay", "told-of-delay", "told-of-relay"] as const;
  for (const kind of kinds) facts.emit({ ...base, kind, bounceTo: "s@y.test" });
  const others: readonly Fact["kind"][] = ["bounce-dropped", "delivered"];
  for (const kind of others) facts.emit({ ...base, kind } as Fact);
  const { text } = await metrics.expose();
  const counted = text.split("\n").filter((line) => line.startsWith("postern_bounces_total{"));
  assert.deepEqual(counted.toSorted(), [
    'postern_bounces_total{kind="delayed"} 2',
    'postern_bounces_total{kind="dropped"} 1',
    'postern_bounces_total{kind="failed"} 1',
    'postern_bounces_total{kind="relayed"} 1',
  ]);
  assert.match(text, /^postern_facts_total\{kind="told-of-delay"\} 2$/m);
});
