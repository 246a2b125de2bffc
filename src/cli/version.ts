import { readFile } from "node:fs/promises";
import { type CliContext, EXIT } from "./cli-context.ts";
import { toJsonLine } from "./visible-text.ts";

/** The version of package.json. */
async function readVersion(): Promise<string> {
  const text = await readFile(new URL("../../package.json", import.meta.url), "utf8");
  const manifest = JSON.parse(text) as { readonly version: string };
  return manifest.version;
}

export async function versionCommand({ out, json }: CliContext): Promise<number> {
  const version = await readVersion();
  out(json ? toJsonLine({ version, node: process.version }) : `postern ${version}`);
  return EXIT.ok;
}
