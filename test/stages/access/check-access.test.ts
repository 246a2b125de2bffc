import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createSystemClock } from "../../../src/base/clock.ts";
import { formatProblem, PolicyError } from "../../../src/base/errors.ts";
import { loadPolicy } from "../../../src/policy/load-policy.ts";
import { createCatalog } from "../../../src/stages/catalog.ts";
import { MINIMAL, policyOnDisk } from "../../policy/policy-on-disk.ts";

async function problemsOf(
  context: TestContext,
  files: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  const folder = await policyOnDisk(context, { ...MINIMAL, ...files });
  const loading = loadPolicy({ folder, catalog: createCatalog(), clock: createSystemClock() });
  const error = await loading.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (error === null) return [];
  assert.ok(error instanceof PolicyError, String(error));
  return error.problems.map((problem) =>
    formatProblem({ ...problem, file: problem.file.replace(`${folder}/`, "") }),
  );
}

test("a misspelt stage in a scope is told once, at its place, with the one that was meant", async (context) => {
  const problems = await problemsOf(context, {
    "access.yaml":
      "allow:\n  - { sender: { domains: [a.test] }, reason: x, scope: [dmarc, sfp] }\n" +
      "  - { client: 192.0.2.1, reason: x, scope: [sender_id] }\n",
  });
  assert.equal(problems.length, 1, problems.join("\n"));
  assert.match(problems[0] ?? "", /^access\.yaml:3:45 /);
  const other = await problemsOf(context, {
    "access.yaml":
      "allow:\n  - { sender: { domains: [a.test] }, reason: x, scope: [dmarc, sfp] }\n",
  });
  assert.deepEqual(other.length, 1);
  assert.match(
    other[0] ?? "",
    /^access\.yaml:2:64 +allow\.0\.scope\.1: no stage `sfp`; did you mean `spf`\?$/,
  );
});

test("a stage that sees all mail cannot stand in a scope", async (context) => {
  for (const name of ["antivirus", "attachments", "domains", "from-access", "sender-access"]) {
    const problems = await problemsOf(context, {
      "access.yaml": `allow:\n  - { client: 192.0.2.1, reason: x, scope: [${name}] }\n`,
    });
    assert.equal(problems.length, 1, problems.join("\n"));
    assert.match(problems[0] ?? "", /a stage that trust can skip; this one sees all mail/, name);
  }
});

test("entries that nobody would heed are mistakes, and say which stage is missing", async (context) => {
  const pipeline =
    "phases:\n  mail: { steps: [[spf, sender-domain]] }\n  rcpt: { steps: [[domains]] }\n";
  const entry = "  - { sender: { domains: [a.test] }, reason: x }\n";
  const problems = await problemsOf(context, {
    "pipeline.yaml": pipeline,
    "access.yaml": `block:\n${entry}`,
  });
  assert.equal(problems.length, 1, problems.join("\n"));
  assert.match(
    problems[0] ?? "",
    /^access\.yaml:2:15 .*not heeded: `sender-access` is not in pipeline\.yaml/,
  );
  const clients = { "access.yaml": "block:\n  - { client: 192.0.2.1, reason: x }\n" };
  assert.deepEqual(await problemsOf(context, { "pipeline.yaml": pipeline, ...clients }), []);
});

test("several mistakes come together, each once though three stages read the file", async (context) => {
  const problems = await problemsOf(context, {
    "access.yaml":
      "allow:\n  - { sender: { domains: [a.test.] }, reason: x }\n  - { sender: {}, reason: x }\n" +
      "block:\n  - { sender: { domians: [a.test] }, reason: x }\n",
  });
  assert.deepEqual(
    problems.map((line) => line.replace(/ .*/, "")),
    ["access.yaml:2:27", "access.yaml:3:15", "access.yaml:5:15", "access.yaml:5:17"],
    problems.join("\n"),
  );
});
