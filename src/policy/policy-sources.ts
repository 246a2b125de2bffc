import { errorText } from "../base/errors.ts";
import type { ReadNamedFile } from "./connector-files.ts";
import type { RecipientReader } from "./domain-recipients.ts";
import { parsePublicKey } from "./export-key.ts";
import { MAX_EXPORT_OCTETS } from "./hashed-format.ts";
import { type HashedRecipients, MAX_AHEAD_MS, readHashedRecipients } from "./hashed-recipients.ts";
import { nearest } from "./nearest.ts";
import type { PolicyFolder } from "./policy-folder.ts";
import { wholeFile } from "./problems.ts";
import { MAX_YAML_BYTES, readYaml } from "./read-yaml.ts";
import { MAX_RECIPIENT_FILE_BYTES, readRecipientFile } from "./recipient-table.ts";
import { absentSource, type Report, type Source } from "./source.ts";

/** The parsed file by its name without .yaml; null when it had problems, which were reported. */
export type SourceOf = (name: string) => Source | null;

/** Reads the files of these names, and complains about files that nobody would read. */
export async function readSources(
  folder: PolicyFolder,
  known: readonly string[],
  report: Report,
): Promise<SourceOf> {
  reportUnknownFiles(folder, known, report);
  const sources = new Map<string, Source | null>();
  for (const name of known) {
    const file = `${name}.yaml`;
    const label = folder.label(file);
    const source = folder.names.includes(file)
      ? await readSource(folder, file, report)
      : absentSource(label, report);
    sources.set(name, source);
  }
  return (name) => sources.get(name) ?? null;
}

export interface RecipientReading {
  readonly folder: PolicyFolder;
  readonly report: Report;
  readonly now: number;
  /** When the export in force from this file and of this key was made; null: there is none. */
  readonly exportInForce: (file: string, key: string) => number | null;
}

/** Reads recipient files for compileDomains. */
export function createRecipientReader(reading: RecipientReading): RecipientReader {
  const { folder, report } = reading;
  const read = async <T>(
    file: string,
    maxBytes: number,
    use: (bytes: Buffer) => Promise<T | string>,
  ) => {
    try {
      return await use(await folder.read(file, maxBytes));
    } catch (error) {
      return `\`${file}\` cannot be read: ${errorText(error)}`;
    }
  };
  return {
    file: (name, covers) =>
      read(name, MAX_RECIPIENT_FILE_BYTES, async (bytes) => {
        const table = await readRecipientFile(folder.label(name), bytes, covers, report);
        const isAhead = table.madeAt !== null && table.madeAt > reading.now + MAX_AHEAD_MS;
        return isAhead ? `\`${name}\`: it was made in the future: look at both clocks` : table;
      }),
    hashed: (name, key) =>
      read(name, MAX_EXPORT_OCTETS, (bytes) => readExport(reading, name, key, bytes)),
  };
}

async function readExport(
  { now, exportInForce }: RecipientReading,
  name: string,
  key: string,
  bytes: Buffer,
): Promise<HashedRecipients | string> {
  const publicKey = parsePublicKey(key);
  if (publicKey === null) return "expected a public `key`, as keygen prints it";
  const made = await readHashedRecipients(bytes, publicKey, now);
  if (typeof made === "string") return `\`${name}\`: ${made}`;
  const before = exportInForce(name, key);
  // Who can only push the file must not be able to bring back those who have left.
  if (before !== null && made.createdAt < before) {
    const [own, newer] = [made.createdAt, before].map((at) => new Date(at).toISOString());
    return `\`${name}\`: it was made ${own}, before the one in force (${newer}); export again`;
  }
  return made;
}

/** PEM files and passwords; the chain of a certificate has a few KiB. */
const MAX_NAMED_FILE_BYTES = 1024 * 1024;

/** Reads files that a connector names; see ReadNamedFile. */
export function createFileReader(folder: PolicyFolder): ReadNamedFile {
  return async (file, { isSecret }) => {
    const read = isSecret ? folder.readSecret : folder.read;
    return (await read(file, MAX_NAMED_FILE_BYTES)).toString();
  };
}

async function readSource(
  folder: PolicyFolder,
  file: string,
  report: Report,
): Promise<Source | null> {
  const label = folder.label(file);
  try {
    return await readYaml(label, await folder.read(file, MAX_YAML_BYTES), report);
  } catch (error) {
    report(wholeFile(label, `cannot be read: ${errorText(error)}`));
    return null;
  }
}

function reportUnknownFiles(folder: PolicyFolder, known: readonly string[], report: Report): void {
  const files = known.map((name) => `${name}.yaml`);
  for (const name of folder.names) {
    if (files.includes(name)) continue;
    const meant = nearest(name, files);
    const message = meant === null ? "" : `; did you mean \`${meant}\`?`;
    report(wholeFile(folder.label(name), `no stage reads this policy file${message}`));
  }
}
