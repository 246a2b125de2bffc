import { randomBytes } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { replaceFile } from "../base/replace-file.ts";
import type { DirectoryValue } from "../policy/directory/address-value.ts";
import { readAddressValue } from "../policy/directory/address-value.ts";
import { coverage, parseDomainPattern } from "../policy/domain-pattern.ts";
import { parseDuration } from "../policy/duration.ts";
import { parsePrivateKey } from "../policy/export-key.ts";
import {
  createExportBuilder,
  type ExportBuilder,
  type MadeExport,
} from "../policy/hashed-export.ts";
import { countOfExport, SALT_OCTETS } from "../policy/hashed-format.ts";
import { type CliContext, EXIT } from "./cli-context.ts";
import { type DirectoryOptions, openDirectory } from "./open-directory.ts";
import { toJsonLine } from "./visible-text.ts";

export interface ExportOptions extends DirectoryOptions {
  readonly output: string;
  /** File of the private key. */
  readonly key: string;
  readonly domain?: readonly string[];
  readonly freshFor?: string;
  /** Also when it has less than half of the addresses of the one before. */
  readonly force: boolean;
}

/** What became of the values of the directory. */
interface Tally {
  values: number;
  /** x500: and the like. */
  other: number;
  ofOtherDomains: number;
  malformed: number;
  /** The first of them, to be told. */
  readonly examples: DirectoryValue[];
}

const MAX_EXAMPLES = 10;
const PROGRESS_EVERY_MS = 2000;

/** `postern recipients export`: from a directory inside to a signed file of hashed addresses. */
export async function recipientsExportCommand(
  context: CliContext,
  options: ExportOptions,
): Promise<number> {
  const { freshFor, domain = [] } = options;
  const freshForMs = freshFor === undefined ? null : parseDuration(freshFor);
  if (freshFor !== undefined && freshForMs === null)
    throw new Error(`--fresh-for: expected a time such as 24h, got ${freshFor}`);
  const covers = toCoverage(domain);
  const privateKey = await readPrivateKey(resolve(context.cwd, options.key));
  const output = resolve(context.cwd, options.output);
  const builder = createExportBuilder(() => randomBytes(SALT_OCTETS));
  const values = await openDirectory(context, options);
  const tally = await gather(values, covers, builder, createProgress(context));
  const made = builder.finish({ createdAt: Date.now(), freshForMs, privateKey });
  const count = sumOf(made);
  tellIgnored(context, tally);
  if (count === 0) {
    context.err("no address was found; nothing was written");
    return EXIT.negative;
  }
  const before = await countBefore(output);
  if (before !== null && count < before / 2 && !options.force) {
    context.err(`${output} has ${before} addresses and would have ${count}: --force writes it`);
    return EXIT.negative;
  }
  // The one who pushes it must never see half of it.
  await replaceFile(output, 0o640, made.pieces);
  tellMade(context, output, made, tally);
  return EXIT.ok;
}

function toCoverage(domains: readonly string[]): (domain: string) => boolean {
  if (domains.length === 0) return () => true;
  return coverage(
    domains.map((text) => {
      const pattern = parseDomainPattern(text);
      if (pattern === null) throw new Error(`--domain: expected a domain, got ${text}`);
      return pattern;
    }),
  );
}

async function readPrivateKey(path: string) {
  const key = parsePrivateKey(await readFile(path, "utf8"));
  if (key === null) throw new Error(`${path}: expected a private Ed25519 key, as keygen makes it`);
  // Who can read it can sign a list of his own.
  if (((await stat(path)).mode & 0o077) !== 0)
    throw new Error(`${path}: others may read it; chmod 600 ${path}`);
  return key;
}

async function gather(
  values: AsyncIterable<DirectoryValue>,
  covers: (domain: string) => boolean,
  builder: ExportBuilder,
  progress: (values: number) => void,
): Promise<Tally> {
  const tally: Tally = { values: 0, other: 0, ofOtherDomains: 0, malformed: 0, examples: [] };
  for await (const value of values) {
    tally.values += 1;
    progress(tally.values);
    const reading = readAddressValue(value.text);
    if (reading.kind === "other") tally.other += 1;
    else if (reading.kind === "malformed") {
      tally.malformed += 1;
      if (tally.examples.length < MAX_EXAMPLES) tally.examples.push(value);
    } else if (covers(reading.entry.domain)) builder.add(reading.entry);
    else tally.ofOtherDomains += 1;
  }
  return tally;
}

/** Somebody may be watching; a log file is told nothing. */
function createProgress({ err, width }: CliContext): (values: number) => void {
  let toldAt = performance.now();
  return (values) => {
    if (width === null || width === undefined || values % 1000 !== 0) return;
    const now = performance.now();
    if (now - toldAt < PROGRESS_EVERY_MS) return;
    toldAt = now;
    err(`${values} values read`);
  };
}

function tellIgnored({ err }: CliContext, { malformed, examples }: Tally): void {
  for (const { text, where } of examples) err(`no address: ${JSON.stringify(text)} (${where})`);
  if (malformed > examples.length) err(`and ${malformed - examples.length} more`);
}

async function countBefore(path: string): Promise<number | null> {
  const bytes = await readFile(path).catch(() => null);
  return bytes && countOfExport(bytes);
}

function tellMade(context: CliContext, file: string, made: MadeExport, tally: Tally): void {
  const { other, ofOtherDomains, malformed } = tally;
  const addresses = sumOf(made);
  if (context.json) {
    const domains = Object.fromEntries(made.domains);
    context.out(toJsonLine({ file, addresses, domains, other, ofOtherDomains, malformed }));
    return;
  }
  context.out(`${file}: ${addresses} addresses`);
  for (const [domain, count] of made.domains) context.out(`  ${domain}  ${count}`);
  const left = [
    [other, "values that are no SMTP address"],
    [ofOtherDomains, "addresses of other domains"],
    [malformed, "malformed addresses"],
  ] as const;
  for (const [count, what] of left) if (count > 0) context.out(`left out: ${count} ${what}`);
}

function sumOf({ domains }: MadeExport): number {
  return [...domains.values()].reduce((sum, count) => sum + count, 0);
}
