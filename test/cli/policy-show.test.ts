import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { parse } from "yaml";
import { policyShowCommand } from "../../src/cli/policy-show.ts";
import { loadSettings } from "../../src/settings.ts";
import { afterwards } from "../support/afterwards.ts";

const FILES = {
  "postern.yaml": "hostname: mx1.example.org\nclamd: none\n",
  "policies/domains.yaml": "domains: { example.org: { recipients: { list: [a@example.org] } } }\n",
  "policies/routing.yaml": `connectors:
  hub:
    domains: [example.org]
    smarthosts: [hub]
    tls: verified
    auth: { user: edge, passwordFile: hub.password }
`,
  "policies/hub.password": "hunter2-hunter2\n",
};

async function show(
  context: TestContext,
  options: { readonly file?: string; readonly json?: boolean; readonly domains?: string } = {},
) {
  const cwd = await mkdtemp(join(tmpdir(), "postern-policy-show-"));
  afterwards(context, () => rm(cwd, { recursive: true, force: true }));
  await mkdir(join(cwd, "policies"));
  for (const [name, text] of Object.entries(FILES))
    await writeFile(join(cwd, name), text, { mode: 0o600 });
  if (options.domains !== undefined)
    await writeFile(join(cwd, "policies/domains.yaml"), options.domains);
  const out: string[] = [];
  const err: string[] = [];
  const code = await policyShowCommand(
    {
      out: (line) => void out.push(line),
      err: (line) => void err.push(line),
      env: {},
      cwd,
      json: options.json ?? false,
    },
    { loadSettings, file: options.file ?? null },
  );
  return { code, text: out.join("\n"), err };
}

test("the effective policy is YAML with what the files left out, one document part a file", async (context) => {
  const { code, text, err } = await show(context, { file: "pipeline.yaml" });
  assert.deepEqual([code, err], [0, []]);
  assert.match(text, /^# .*policies \(version [0-9a-f]{12}\)$/m);
  assert.match(text, /^# pipeline\.yaml$/m);
  const { pipeline, ...rest } = parse(`pipeline:\n${indent(text)}`);
  assert.deepEqual(rest, {});
  assert.equal(pipeline.mode, "enforce");
  assert.ok(pipeline.phases.connect.budgetMs > 0);
});

function indent(text: string): string {
  return text
    .split("\n")
    .filter((line) => !line.startsWith("#"))
    .map((line) => `  ${line}`)
    .join("\n");
}

test("all files are there, and no password is", async (context) => {
  const { code, text } = await show(context);
  assert.equal(code, 0);
  const names = text.split("\n").filter((line) => /^# [a-z-]+\.yaml$/.test(line));
  for (const name of ["pipeline", "domains", "routing", "limits", "access", "sender-auth"])
    assert.ok(names.includes(`# ${name}.yaml`), `${name} is missing in ${names}`);
  assert.ok(!text.includes("hunter2"));
  assert.match(text, /smarthosts:/);
});

test("for programs it is one object with the version", async (context) => {
  const { code, text } = await show(context, { json: true, file: "domains" });
  assert.equal(code, 0);
  const { version, policies } = JSON.parse(text);
  assert.match(version, /^[0-9a-f]{12}$/);
  assert.deepEqual(Object.keys(policies), ["domains"]);
  assert.equal(policies.domains.domains["example.org"].recipients.count, 1);
});

test("an unknown file is named with those there are; mistakes in the folder are told as check tells them", async (context) => {
  const unknown = await show(context, { file: "pipelines" });
  assert.equal(unknown.code, 2);
  assert.match(unknown.err.join(), /no policy file pipelines; there are pipeline\.yaml, /);
  const wrong = await show(context, { domains: "domains: { example.org: { acc: spool } }\n" });
  assert.equal(wrong.code, 2);
  assert.match(wrong.err.join(), /domains\.yaml:1:\d+ .*acc/);
  assert.equal(wrong.text, "");
});
