import assert from "node:assert/strict";
import { test } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { PolicyError } from "../../src/base/errors.ts";
import { loadPolicy } from "../../src/policy/load-policy.ts";
import { createCatalog } from "../../src/stages/catalog.ts";
import { MINIMAL, policyOnDisk } from "./policy-on-disk.ts";

const clock = createSystemClock();
const REWRITING = "redirects: [{ recipient: alice@example.org, to: bob@example.org }]\n";

async function problemsOf(folder: string): Promise<readonly string[]> {
  const error = await loadPolicy({ folder, catalog: createCatalog(), clock }).then(
    () => null,
    (reason: unknown) => reason,
  );
  if (error === null) return [];
  assert.ok(error instanceof PolicyError);
  return error.problems.map(({ path, message }) => `${path}: ${message}`);
}

const pipeline = (steps: string) => `phases:\n  rcpt: { steps: ${steps} }\n`;

for (const [steps, problems] of [
  ["[[rewrite-recipient], [domains]]", []],
  ["[[domains], [copies]]", ["stage `rewrite-recipient`, which this needs, is not in pipeline"]],
  [
    "[[domains], [rewrite-recipient]]",
    ["phases.rcpt.steps.1.0: stage `rewrite-recipient` must stand in a step before `domains`"],
  ],
  [
    "[[bounce-tag, rewrite-recipient], [srs, domains]]",
    [
      "phases.rcpt.steps.0.0: stage `bounce-tag` must stand in a step before `rewrite-recipient`",
      "phases.rcpt.steps.1.0: stage `srs` must stand in a step before `domains`",
    ],
  ],
] as const)
  test(`the order ${steps} is ${problems.length === 0 ? "right" : "refused"}`, async (context) => {
    const files = { "rewriting.yaml": REWRITING, "pipeline.yaml": pipeline(steps) };
    const found = await problemsOf(await policyOnDisk(context, { ...MINIMAL, ...files }));
    assert.equal(found.length, problems.length, found.join("\n"));
    for (const [i, problem] of problems.entries())
      assert.ok(found[i]?.includes(problem), found.join("\n"));
  });

test("a tag that is asked for inbound and not made outbound is refused", async (context) => {
  const files = {
    "rewriting.yaml": "bounceTags: { example.org: { mode: enforce } }\n",
    "pipeline.yaml": "outbound: { phases: { rcpt: { steps: [[domains]] } } }\n",
  };
  assert.deepEqual(await problemsOf(await policyOnDisk(context, { ...MINIMAL, ...files })), [
    ": stage `bounce-tag`, which this needs, is not in pipeline.yaml",
  ]);
});

test("an order of outbound is looked at as well", async (context) => {
  const files = {
    "pipeline.yaml": "outbound: { phases: { rcpt: { steps: [[domains], [bounce-tag]] } } }\n",
  };
  assert.deepEqual(await problemsOf(await policyOnDisk(context, { ...MINIMAL, ...files })), [
    "outbound.phases.rcpt.steps.1.0: stage `bounce-tag` must stand in a step before `domains`",
  ]);
});

test("a stage that rewriting.yaml gives nothing to do takes no part, and the effective policy shows why", async (context) => {
  const folder = await policyOnDisk(context, { ...MINIMAL, "rewriting.yaml": REWRITING });
  const { plans, effective } = await loadPolicy({ folder, catalog: createCatalog(), clock });
  const names = plans.inbound.phases.rcpt.steps.flatMap((step) => step.map(({ name }) => name));
  assert.deepEqual(names, ["rewrite-recipient", "domains", "rcpt-rate", "greylist"]);
  assert.deepEqual(JSON.parse(JSON.stringify(effective)).rewriting, {
    addresses: [],
    redirects: [{ recipient: "alice@example.org", to: "bob@example.org" }],
    srs: null,
    bounceTags: {},
    copies: [],
  });
});
