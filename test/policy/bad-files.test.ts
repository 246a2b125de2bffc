import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { formatProblem, PolicyError } from "../../src/base/errors.ts";
import { loadPolicy } from "../../src/policy/load-policy.ts";
import { loadSettings } from "../../src/settings.ts";
import { MINIMAL, policyOnDisk } from "./policy-on-disk.ts";
import { createTestCatalog } from "./test-catalog.ts";

const folder = join(import.meta.dirname, "../policies/bad");

// `domains.unknown-key.yaml` stands in for domains.yaml of a policy that is otherwise right; its
// first lines say what every loader must complain about, and nothing else.
for (const name of readdirSync(folder)) {
  const [file = "", claim = ""] = name.split(".");
  test(`${file}.yaml is refused: ${claim.replaceAll("-", " ")}`, async (context) => {
    const text = await readFile(join(folder, name), "utf8");
    const expected = [...text.matchAll(/^# expect: (.*)$/gm)].map((match) => match[1] ?? "");
    const root = await policyOnDisk(context, { ...MINIMAL, [`${file}.yaml`]: text });
    const error = await (file === "postern" ? settingsError(root) : policyError(root));
    const problems = error.problems.map((problem) =>
      formatProblem({ ...problem, file: problem.file.replace(`${root}/`, "") }),
    );
    assert.equal(problems.length, expected.length, problems.join("\n"));
    for (const [index, start] of expected.entries())
      assert.ok(problems[index]?.includes(start), `${problems[index]}\nis not\n${start}`);
  });
}

test("there are at least 25 bad files", () => {
  assert.ok(readdirSync(folder).length >= 25);
});

async function policyError(root: string): Promise<PolicyError> {
  return rejection(
    loadPolicy({ folder: root, catalog: createTestCatalog(), clock: createSystemClock() }),
  );
}

async function settingsError(root: string): Promise<PolicyError> {
  return rejection(loadSettings({ file: join(root, "postern.yaml"), env: {}, cwd: root }));
}

async function rejection(loading: Promise<unknown>): Promise<PolicyError> {
  const error = await loading.then(
    () => null,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof PolicyError, `expected a PolicyError, got ${error}`);
  return error;
}
