import { errorText } from "../base/errors.ts";
import type { ReadNamedFile } from "./connector-files.ts";
import type { ReadRecipients } from "./domains.ts";
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

/** Reads recipient files for compileDomains. */
export function createRecipientReader(folder: PolicyFolder, report: Report): ReadRecipients {
  return async (file, covers) => {
    try {
      const bytes = await folder.read(file, MAX_RECIPIENT_FILE_BYTES);
      return await readRecipientFile(folder.label(file), bytes, covers, report);
    } catch (error) {
      return `\`${file}\` cannot be read: ${errorText(error)}`;
    }
  };
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
