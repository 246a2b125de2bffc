import { globSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { errorText } from "../../src/base/errors.ts";
import { parseDialog } from "../support/dialog.ts";
import { needsOf, runDialogAgainst } from "../support/dialog-runner.ts";

/**
 * Plays the dialogs against a server that runs already, one after the other:
 *
 *   node test/dialogs/play.ts --target HOST:PORT [FILE...]
 *
 * The server should take mail for every address of example.org and for no other domain, and must
 * allow a connection for each dialog. Exit status 1 when a dialog fails, 2 for wrong usage.
 */
const USAGE = "usage: play.ts --target HOST:PORT [FILE...]\n";
const folder = import.meta.dirname;

function parseTarget(text: string): { readonly host: string; readonly port: number } | null {
  const [, host, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text)
    ? (/^\[?([^\]]+?)\]?:(\d+)$/.exec(text) ?? [])
    : [];
  return host && port ? { host, port: Number(port) } : null;
}

function tell(outcome: "ok" | "FAILED" | "SKIPPED", file: string, why = ""): void {
  const name = relative(folder, file);
  process.stdout.write(`${outcome.padEnd(8)}${name}${why && `\n        ${why}`}\n`);
}

async function playFile(
  file: string,
  target: { readonly host: string; readonly port: number },
): Promise<"ok" | "FAILED" | "SKIPPED"> {
  const dialog = parseDialog(readFileSync(file, "utf8"));
  const needs = needsOf(dialog);
  if (needs !== "") {
    tell("SKIPPED", file, `needs ${needs}`);
    return "SKIPPED";
  }
  try {
    await runDialogAgainst(dialog, target);
    tell("ok", file);
    return "ok";
  } catch (error) {
    const cause = error instanceof Error && error.cause ? `: ${errorText(error.cause)}` : "";
    tell("FAILED", file, `${errorText(error)}${cause}`);
    return "FAILED";
  }
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { target: { type: "string" } },
    allowPositionals: true,
  });
  const target = parseTarget(values.target ?? "");
  if (target === null) {
    process.stderr.write(USAGE);
    return 2;
  }
  const all = globSync("*/*.smtp", { cwd: folder }).sort();
  const files =
    positionals.length > 0
      ? positionals.map((file) => resolve(file))
      : all.map((file) => join(folder, file));
  const counts = { ok: 0, FAILED: 0, SKIPPED: 0 };
  for (const file of files) counts[await playFile(file, target)] += 1;
  process.stdout.write(`${counts.ok} ok, ${counts.FAILED} failed, ${counts.SKIPPED} skipped\n`);
  return counts.FAILED > 0 ? 1 : 0;
}

process.exitCode = await main();
