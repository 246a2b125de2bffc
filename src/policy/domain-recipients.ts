import { defaultCallOutRules, toCallOutRules } from "./call-out-rules.ts";
import { coverage } from "./domain-pattern.ts";
import type { NamedDomain, RecipientsEntry } from "./domain-schema.ts";
import type { HashedRecipients } from "./hashed-recipients.ts";
import { lookUp } from "./recipient-key.ts";
import {
  createRecipientTable,
  type RecipientFile,
  type RecipientTable,
} from "./recipient-table.ts";
import type { ListAge, RecipientList, RecipientSource } from "./snapshot.ts";
import type { Path, Source } from "./source.ts";

/** Reads recipient files, each once for all the domains that use it. A text is why it cannot be used. */
export interface RecipientReader {
  file(name: string, covers: (domain: string) => boolean): Promise<RecipientFile | string>;
  hashed(name: string, key: string): Promise<HashedRecipients | string>;
}

type RecipientCompiler = (domain: NamedDomain) => RecipientSource;

/** Somebody who is not in it may have been made since; a day is how often most will export. */
const DEFAULT_FRESH_MS = 24 * 60 * 60_000;

/** Reads what the domains name, and tells how each knows its recipients. */
export async function createRecipientCompiler(
  named: readonly NamedDomain[],
  source: Source,
  reader: RecipientReader,
): Promise<RecipientCompiler> {
  const files = await readFiles(named, source, reader);
  const hashed = await readHashed(named, source, reader);
  return (domain) => {
    const { type, recipients, verify } = domain.entry;
    if (recipients && !isOneSource(recipients))
      source.complain(
        [...pathOf(domain), "recipients"],
        "expected either list, file or hashed",
        "key",
      );
    if (recipients && verify !== undefined)
      source.complain(
        [...pathOf(domain), "verify"],
        "expected recipients or verify, got both",
        "key",
      );
    if (type === "external-relay") return externalOf(domain, source);
    if (!recipients) return withoutList(domain);
    checkWords(domain, recipients, source);
    if (recipients.hashed !== undefined) return hashedOf(domain, recipients, hashed, source);
    if (recipients.file !== undefined) return fileOf(domain, recipients, files, source);
    return listOf(domain, recipients, source);
  };
}

function isOneSource({ list, file, hashed }: RecipientsEntry): boolean {
  return [list, file, hashed].filter((one) => one !== undefined).length === 1;
}

function pathOf({ key }: NamedDomain): Path {
  return ["domains", key];
}

/** We pass its mail on to somebody else's server, and nobody inside knows who lives there. */
function externalOf(domain: NamedDomain, source: Source): RecipientSource {
  const { recipients, verify } = domain.entry;
  const message = "expected none: recipients of an external relay are never looked up";
  if (recipients) source.complain([...pathOf(domain), "recipients"], message, "key");
  else if (verify !== undefined && verify !== "off")
    source.complain([...pathOf(domain), "verify"], message, "key");
  return { kind: "any" };
}

/** Look-ups are for authoritative domains, unless somebody asks for them. */
function withoutList({ pattern, entry: { type, verify } }: NamedDomain): RecipientSource {
  if (typeof verify === "object")
    return { kind: "call-out", rules: toCallOutRules(verify.callOut, pattern) };
  const asks = verify === undefined ? type === "authoritative" : verify === "call-out";
  return asks ? { kind: "call-out", rules: defaultCallOutRules(pattern) } : { kind: "any" };
}

/** Words that have no meaning without others. */
function checkWords(domain: NamedDomain, recipients: RecipientsEntry, source: Source): void {
  const { list, file, hashed, key, fresh, stale } = recipients;
  const complain = (word: keyof RecipientsEntry, message: string) =>
    source.complain([...pathOf(domain), "recipients", word], message, "key");
  if (key !== undefined && hashed === undefined) complain("key", "expected hashed beside it");
  if (hashed !== undefined && key === undefined)
    complain("hashed", "expected the public `key` of its signature beside it");
  const ages = list === undefined;
  if (fresh !== undefined && !ages) complain("fresh", "expected file or hashed: a list has no age");
  if (stale !== undefined && file !== undefined && fresh === undefined)
    complain("stale", "expected fresh beside it");
  if (stale !== undefined && !ages) complain("stale", "expected file or hashed: a list has no age");
}

async function readFiles(
  named: readonly NamedDomain[],
  source: Source,
  reader: RecipientReader,
): Promise<ReadonlyMap<string, RecipientFile>> {
  const tables = new Map<string, RecipientFile>();
  const users = named.filter(({ entry: { recipients } }) => recipients?.file && !recipients.list);
  for (const [file, domains] of Map.groupBy(users, nameOf)) {
    const patterns = domains.map(({ pattern }) => pattern);
    const table = await reader.file(file, coverage(patterns));
    const [first] = domains;
    if (typeof table !== "string") tables.set(file, table);
    else if (first) source.complain([...pathOf(first), "recipients", "file"], table);
  }
  return tables;
}

async function readHashed(
  named: readonly NamedDomain[],
  source: Source,
  reader: RecipientReader,
): Promise<ReadonlyMap<string, HashedRecipients>> {
  const tables = new Map<string, HashedRecipients>();
  const users = named.filter(({ entry: { recipients } }) => recipients?.hashed && recipients.key);
  for (const [id, [first]] of Map.groupBy(users, hashedId)) {
    const { hashed = "", key = "" } = first?.entry.recipients ?? {};
    const table = await reader.hashed(hashed, key);
    if (typeof table !== "string") tables.set(id, table);
    else if (first) source.complain([...pathOf(first), "recipients", "hashed"], table);
  }
  return tables;
}

function nameOf({ entry: { recipients } }: NamedDomain): string {
  return recipients?.hashed ?? recipients?.file ?? "domains.yaml";
}

function hashedId({ entry: { recipients } }: NamedDomain): string {
  return `${recipients?.hashed}\0${recipients?.key}`;
}

function hashedOf(
  domain: NamedDomain,
  { key, fresh, stale = "accept", tags }: RecipientsEntry,
  tables: ReadonlyMap<string, HashedRecipients>,
  source: Source,
): RecipientSource {
  const table = tables.get(hashedId(domain));
  if (!table) return toList(domain, createRecipientTable(), tags); // told already
  complainOfNone(domain, table, "hashed", source);
  const { createdAt, freshForMs } = table;
  const freshUntil = createdAt + (fresh ?? freshForMs ?? DEFAULT_FRESH_MS);
  const age: ListAge = { madeAt: createdAt, freshUntil, stale };
  return { ...toList(domain, table, tags), age, ...(key !== undefined && { key }) };
}

function fileOf(
  domain: NamedDomain,
  { fresh, stale = "accept", tags }: RecipientsEntry,
  tables: ReadonlyMap<string, RecipientFile>,
  source: Source,
): RecipientSource {
  const table = tables.get(nameOf(domain));
  if (!table) return toList(domain, createRecipientTable(), tags);
  complainOfNone(domain, table, "file", source);
  const list = toList(domain, table, tags);
  if (fresh === undefined) return list;
  if (table.madeAt === null) {
    const message =
      "expected a comment such as # made: 2026-11-25T10:00:00Z at the top of the file";
    source.complain([...pathOf(domain), "recipients", "fresh"], message, "key");
    return list;
  }
  return { ...list, age: { madeAt: table.madeAt, freshUntil: table.madeAt + fresh, stale } };
}

/** A file that was cut off, or made for somebody else, would refuse everybody. */
function complainOfNone(
  domain: NamedDomain,
  table: RecipientTable,
  word: "file" | "hashed",
  source: Source,
): void {
  if (table.count(coverage([domain.pattern])) > 0) return;
  const message = `expected addresses of ${domain.key} in it, got none`;
  source.complain([...pathOf(domain), "recipients", word], message);
}

function listOf(
  domain: NamedDomain,
  { list, tags }: RecipientsEntry,
  source: Source,
): RecipientList {
  const table = createRecipientTable();
  const covers = coverage([domain.pattern]);
  for (const [index, address] of (list ?? []).entries()) {
    const fault = table.add(address, covers);
    if (fault !== null) source.complain([...pathOf(domain), "recipients", "list", index], fault);
  }
  return toList(domain, table, tags);
}

function toList(
  domain: NamedDomain,
  table: RecipientTable,
  tags: RecipientsEntry["tags"] = undefined,
): RecipientList {
  const covers = coverage([domain.pattern]);
  return {
    kind: "list",
    find(localPart, name) {
      if (!covers(name)) return "no";
      return lookUp((key) => table.has(key, name), localPart, tags ?? null);
    },
    count: table.count(covers),
    from: nameOf(domain),
    ...(tags !== undefined && { tags }),
  };
}
