import { globSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { test } from "node:test";
import { parseDialog } from "../support/dialog.ts";
import { runDialog } from "../support/dialog-runner.ts";

const folder = import.meta.dirname;

for (const file of globSync("*/*.smtp", { cwd: folder }).sort()) {
  const claim = basename(file, ".smtp").replaceAll("-", " ");
  test(`${dirname(file)}: ${claim}`, async () => {
    await runDialog(parseDialog(readFileSync(join(folder, file), "utf8")));
  });
}
