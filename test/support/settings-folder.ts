import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { formatProblem, PolicyError } from "../../src/base/errors.ts";
import { loadSettings, type SettingsInput } from "../../src/settings.ts";
import { afterwards } from "./afterwards.ts";

export const MINIMAL = "hostname: mx1.example.org\nclamd: none\n";

export async function folderWith(context: TestContext, text?: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "postern-settings-"));
  afterwards(context, () => rm(folder, { recursive: true, force: true }));
  if (text !== undefined) await writeFile(join(folder, "postern.yaml"), text);
  return folder;
}

export async function problemsOf(input: SettingsInput): Promise<readonly string[]> {
  const error = await loadSettings(input).then(
    () => null,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof PolicyError);
  return error.problems.map((problem) =>
    formatProblem({ ...problem, file: problem.file.replace(`${input.cwd}/`, "") }),
  );
}
