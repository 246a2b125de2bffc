import { globSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { test } from "node:test";
import { parseDialog } from "../support/dialog.ts";
import { runDialog, runDialogAgainst } from "../support/dialog-runner.ts";

const folder = import.meta.dirname;
/** DIALOG_TARGET=host:port plays them against a server that runs already. */
const [host = "", port = ""] = process.env.DIALOG_TARGET?.split(":") ?? [];

for (const file of globSync("*/*.smtp", { cwd: folder }).sort()) {
  const claim = basename(file, ".smtp").replaceAll("-", " ");
  test(`${dirname(file)}: ${claim}`, async () => {
    const dialog = parseDialog(readFileSync(join(folder, file), "utf8"));
    if (host === "") await runDialog(dialog);
    else await runDialogAgainst(dialog, { host, port: Number(port) });
  });
}
