import { existsSync } from "node:fs";
import { resolve } from "node:path";

const root = resolve(process.env.CONFORMANCE_DATA ?? "../shared/data");

/**
 * The folder of a third-party data set, or a reason to skip that says loudly what was not run:
 * `test(title, { skip: data.skip }, ...)`.
 */
export function conformanceData(name: string): { folder: string; skip: string | false } {
  const folder = resolve(root, name);
  if (existsSync(folder)) return { folder, skip: false };
  const skip = `SKIPPED: ${name} is not at ${root}; set CONFORMANCE_DATA`;
  process.stderr.write(`\n*** ${skip} ***\n`);
  return { folder, skip };
}
