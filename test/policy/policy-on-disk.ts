import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { afterwards } from "../support/afterwards.ts";

/** A domain with its recipients and the way to its hub: what every policy needs at least. */
export const MINIMAL: Readonly<Record<string, string>> = {
  "domains.yaml":
    "domains:\n  example.org: { recipients: { list: [alice@example.org, bob@example.org] } }\n",
  "routing.yaml": "connectors:\n  hub: { domains: [example.org], smarthosts: ['10.1.0.25:25'] }\n",
};

/** A new folder with these files; removed after the test. */
export async function policyOnDisk(
  context: Pick<TestContext, "after">,
  files: Readonly<Record<string, string | Buffer>>,
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "postern-policy-"));
  afterwards(context, () => rm(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return folder;
}
