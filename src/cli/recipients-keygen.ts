import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { makeExportKeyPair } from "../policy/export-key.ts";
import { type CliContext, EXIT } from "./cli-context.ts";
import { toJsonLine } from "./visible-text.ts";

/** `postern recipients keygen`: the private half into a file, the public half to be read. */
export async function recipientsKeygenCommand(
  context: CliContext,
  { output }: { readonly output: string },
): Promise<number> {
  const { privatePem, publicText } = makeExportKeyPair();
  const file = resolve(context.cwd, output);
  // Never over another: exports that are out there were signed with it.
  await writeFile(file, privatePem, { mode: 0o600, flag: "wx" });
  if (context.json) context.out(toJsonLine({ file, key: publicText }));
  else {
    context.out(`${file}: the private key; it stays inside`);
    context.out(`domains.yaml: recipients: { hashed: FILE, key: ${publicText} }`);
  }
  return EXIT.ok;
}
