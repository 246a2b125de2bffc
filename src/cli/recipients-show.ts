import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { parseMailbox } from "../mail/address.ts";
import { parsePublicKey } from "../policy/export-key.ts";
import { type HashedRecipients, readHashedRecipients } from "../policy/hashed-recipients.ts";
import { lookUp } from "../policy/recipient-key.ts";
import { type CliContext, EXIT } from "./cli-context.ts";
import { formatTime } from "./time-words.ts";
import { toJsonLine } from "./visible-text.ts";

export interface ShowOptions {
  readonly file: string;
  /** The public one. */
  readonly key: string;
  readonly address?: string;
}

/** `postern recipients show`: whether an export is whole and signed, and what it knows. */
export async function recipientsShowCommand(
  context: CliContext,
  { file, key: text, address }: ShowOptions,
): Promise<number> {
  const key = parsePublicKey(text);
  if (key === null) throw new Error("--key: expected a public key, as keygen prints it");
  const made = await readHashedRecipients(
    await readFile(resolve(context.cwd, file)),
    key,
    Date.now(),
  );
  if (typeof made === "string") throw new Error(`${file}: ${made}`);
  if (address !== undefined) return tellAddress(context, made, address);
  tellExport(context, file, made);
  return EXIT.ok;
}

function tellAddress(context: CliContext, made: HashedRecipients, text: string): number {
  const address = parseMailbox(text);
  if (!address) throw new Error(`--address: ${text} is no address`);
  const known = lookUp((key) => made.has(key, address.domain), address.localPart, null);
  if (context.json) context.out(toJsonLine({ address: text, known: known !== "no" }));
  else context.out(known === "no" ? `${text} is not in it` : `${text} is in it`);
  return known === "no" ? EXIT.negative : EXIT.ok;
}

function tellExport(context: CliContext, file: string, made: HashedRecipients): void {
  const { createdAt, freshForMs, domains } = made;
  if (context.json) {
    const created = new Date(createdAt).toISOString();
    const about = { created, freshForMs, domains: Object.fromEntries(domains) };
    context.out(toJsonLine({ file, ...about }));
    return;
  }
  const until = freshForMs === null ? "" : `, fresh until ${formatTime(createdAt + freshForMs)}`;
  context.out(`${file}: made ${formatTime(createdAt)}${until}; whole, and signed by this key`);
  for (const [domain, count] of domains) context.out(`  ${domain}  ${count}`);
}
