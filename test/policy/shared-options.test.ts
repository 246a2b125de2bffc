import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { createSystemClock } from "../../src/base/clock.ts";
import { PolicyError } from "../../src/base/errors.ts";
import { defineStage, type Stage } from "../../src/pipeline/stage.ts";
import { NEUTRAL } from "../../src/pipeline/verdict.ts";
import { loadPolicy } from "../../src/policy/load-policy.ts";
import { MINIMAL, policyOnDisk } from "./policy-on-disk.ts";
import { createTestCatalog } from "./test-catalog.ts";

interface Names {
  readonly names: readonly string[];
}

function stageOf(name: string, options: z.ZodType<Names>, seen: unknown[]): Stage<"mail", object> {
  return defineStage<"mail", Names, null, object>({
    name,
    phase: "mail",
    timeoutMs: 1000,
    onFailure: "open",
    trustable: true,
    file: "names",
    options,
    check: ({ names }) =>
      names.includes("bad") ? [{ path: ["names"], message: `${name} does not like it` }] : [],
    observe: async () => null,
    judge(_evidence, given) {
      seen.push(given);
      return NEUTRAL;
    },
  });
}

test("a file whose stages share one schema is read once, and each stage still checks it", async (context) => {
  let reads = 0;
  const seen: unknown[] = [];
  const schema = z.strictObject({ names: z.array(z.string()).default([]) }).transform((value) => {
    reads += 1;
    return value;
  });
  const catalog = [
    ...createTestCatalog(),
    stageOf("one", schema, seen),
    stageOf("two", schema, seen),
  ];
  const load = async (names: string) => {
    const folder = await policyOnDisk(context, { ...MINIMAL, "names.yaml": `names: [${names}]\n` });
    return loadPolicy({ folder, catalog, clock: createSystemClock() });
  };
  const { plans } = await load("a");
  assert.equal(reads, 1);
  for (const stage of plans.inbound.phases.mail.steps.flat())
    if (stage.name === "one" || stage.name === "two") stage.judge(null, {} as never);
  assert.equal(seen.length, 2);
  assert.equal(seen[0], seen[1]);
  await assert.rejects(load("bad"), (error) => {
    assert.ok(error instanceof PolicyError);
    const messages = error.problems.map(({ message }) => message);
    assert.deepEqual(messages, ["one does not like it", "two does not like it"]);
    return true;
  });
});
