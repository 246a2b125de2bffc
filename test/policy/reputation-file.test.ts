import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { formatProblem, PolicyError } from "../../src/base/errors.ts";
import { loadPolicy } from "../../src/policy/load-policy.ts";
import { createCatalog } from "../../src/stages/catalog.ts";
import { MINIMAL, policyOnDisk } from "./policy-on-disk.ts";

async function problemsOf(context: TestContext, files: Readonly<Record<string, string>>) {
  const folder = await policyOnDisk(context, { ...MINIMAL, ...files });
  const error = await loadPolicy({
    folder,
    catalog: createCatalog(),
    clock: createSystemClock(),
  }).then(
    () => null,
    (reason: unknown) => reason,
  );
  if (error === null) return [];
  assert.ok(error instanceof PolicyError, String(error));
  return error.problems.map((problem) => formatProblem(problem).replace(/^.*\//, ""));
}

const inFile = (line: string) => ({ "reputation.yaml": `srl:\n  ${line}\n` });

test("each number of reputation.yaml is held against its limits, at its place", async (context) => {
  for (const [line, start] of [
    ["minMessages: 4", "2:16  srl.minMessages: expected at least 5, got 4"],
    ["blockAt: 10", "2:12  srl.blockAt: "],
    ["blockHours: 0", "2:15  srl.blockHours: expected at least 1, got 0"],
    ["weights: { bad: 10 }", "2:19  srl.weights.bad: expected at most 9, got 10"],
    ["weights: { hello: 1 }", "2:14  srl.weights.hello: unknown key `hello`; did you mean `helo`?"],
    ["neighbours: 1", "2:15  srl.neighbours: expected at most 0.8, got 1"],
    ["learn: { badFrom: 2 }", "2:10  srl.learn: expected goodBelow to be at most badFrom"],
    ["scores: [1, 2]", "2:11  srl.scores: "],
    ["blockFor: 24h", "2:3  srl.blockFor: unknown key `blockFor`"],
  ] as const) {
    const [problem = ""] = await problemsOf(context, inFile(line));
    assert.ok(problem.startsWith(`reputation.yaml:${start}`), `${line}\n${problem}`);
  }
  assert.deepEqual(await problemsOf(context, inFile("blockAt: null")), []);
});

test("reputation stands behind spf and spf-access, and both may be left out together", async (context) => {
  const mail = (steps: string) => ({
    "pipeline.yaml": `phases:\n  mail:\n    steps: ${steps}\n`,
  });
  const order = "[[sender-access], [reputation], [spf], [spf-access]]";
  assert.deepEqual(await problemsOf(context, mail(order)), [
    "pipeline.yaml:3:45  phases.mail.steps.2.0: stage `spf` must stand in a step before `reputation`",
    "pipeline.yaml:3:52  phases.mail.steps.3.0: stage `spf-access` must stand in a step before `reputation`",
  ]);
  assert.deepEqual(await problemsOf(context, mail("[[sender-access], [spf]]")), []);
});

test("options for a stage that does not run are a mistake", async (context) => {
  const files = {
    ...inFile("blockAt: 8"),
    "pipeline.yaml": "phases:\n  mail:\n    steps: [[sender-access], [spf]]\n",
  };
  assert.match((await problemsOf(context, files)).join(), /stage `reputation`, which is not in/);
});

test("an access entry says of a sender alone whether he must be proven", async (context) => {
  const file = (entry: string) => ({ "access.yaml": `allow:\n  - ${entry}\n` });
  const good = "{ sender: { domains: [a.test] }, authenticated: false, reason: r }";
  assert.deepEqual(await problemsOf(context, file(good)), []);
  const [problem] = await problemsOf(
    context,
    file("{ client: 192.0.2.1, authenticated: false, reason: r }"),
  );
  assert.match(problem ?? "", /^access\.yaml:2:41 {2}allow\.0\.authenticated: expected it beside/);
});
