import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { checkCommand } from "../../src/cli/check.ts";
import { loadSettings } from "../../src/settings.ts";
import { afterwards } from "../support/afterwards.ts";

/** `postern check` in a folder with these files. */
export async function check(
  context: TestContext,
  files: Readonly<Record<string, string>>,
  options: { readonly json?: boolean; readonly settingsFile?: string } = {},
) {
  const cwd = await mkdtemp(join(tmpdir(), "postern-check-"));
  afterwards(context, () => rm(cwd, { recursive: true, force: true }));
  await mkdir(join(cwd, "policies"));
  for (const [name, text] of Object.entries(files))
    await writeFile(join(cwd, name), text, name.endsWith(".pem") ? { mode: 0o600 } : {});
  const out: string[] = [];
  const err: string[] = [];
  const code = await checkCommand(
    {
      out: (line) => void out.push(line),
      err: (line) => void err.push(line),
      env: {},
      cwd,
      json: options.json ?? false,
      ...(options.settingsFile !== undefined && { settingsFile: options.settingsFile }),
    },
    { loadSettings },
  );
  return { code, out, err, cwd };
}

/** Nothing to complain of. */
export const GOOD = {
  "postern.yaml": "hostname: mx1.example.org\nclamd: none\n",
  "policies/domains.yaml": "domains: { example.org: { recipients: { list: [a@example.org] } } }\n",
  "policies/routing.yaml": "connectors: { hub: { domains: [example.org], smarthosts: [hub] } }\n",
};
