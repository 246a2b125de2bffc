import { z } from "zod";
import type { Thresholds } from "../pipeline/plan.ts";
import { checkShape } from "./check-shape.ts";
import {
  coverage,
  type DomainPattern,
  isTooWide,
  parseDomainPattern,
  patternsFor,
} from "./domain-pattern.ts";
import { createRecipientTable, type RecipientTable } from "./recipient-table.ts";
import type { AcceptedDomain, Domains, RecipientSource } from "./snapshot.ts";
import type { Source } from "./source.ts";
import { thresholdsFault, thresholdsSchema, withDefaults } from "./thresholds.ts";

const domainSchema = z.preprocess(
  // `example.org:` with nothing behind it means all defaults.
  (value) => value ?? {},
  z.strictObject({
    type: z.enum(["authoritative", "internal-relay", "external-relay"]).default("authoritative"),
    recipients: z
      .strictObject({
        list: z.array(z.string()).min(1).optional(),
        file: z.string().min(1).optional(),
      })
      .optional(),
    verify: z.enum(["call-out", "off"]).optional(),
    ack: z.enum(["hub", "spool"]).default("hub"),
    lineEndings: z.enum(["refuse", "normalise"]).default("refuse"),
    thresholds: thresholdsSchema.optional(),
  }),
);

type DomainEntry = z.infer<typeof domainSchema>;

const domainsSchema = z.strictObject({ domains: z.record(z.string(), domainSchema).default({}) });

/** Reads a recipient file, once for all the domains that use it. A text is why it cannot be read. */
export type ReadRecipients = (
  file: string,
  covers: (domain: string) => boolean,
) => Promise<RecipientTable | string>;

interface Named {
  /** As the operator wrote it: where to point at. */
  readonly key: string;
  readonly pattern: DomainPattern;
  readonly entry: DomainEntry;
}

export interface CompiledDomains {
  readonly domains: Domains;
  /** The key in the file for each canonical name. */
  readonly keys: ReadonlyMap<string, string>;
}

/** `domains.yaml`: what we accept mail for. Undefined after problems were reported. */
export async function compileDomains(
  source: Source,
  defaults: Thresholds,
  readRecipients: ReadRecipients,
): Promise<CompiledDomains | undefined> {
  const file = checkShape(domainsSchema, source);
  if (!file) return undefined;
  const named = nameDomains(file.domains, source);
  const tables = await readTables(named, source, readRecipients);
  const all = named.map(
    (domain): AcceptedDomain => ({
      name: domain.pattern,
      type: domain.entry.type,
      recipients: recipientsOf(domain, tables, source),
      ack: domain.entry.ack,
      lineEndings: domain.entry.lineEndings,
      ...thresholdsOf(domain, defaults, source),
    }),
  );
  const keys = new Map(named.map(({ pattern, key }) => [pattern, key]));
  return { domains: toDomains(all), keys };
}

/** The most specific accepted domain wins. */
export function toDomains(all: readonly AcceptedDomain[]): Domains {
  const byPattern = new Map(all.map((domain) => [domain.name, domain]));
  return {
    all,
    find(domain) {
      for (const pattern of patternsFor(domain)) {
        const accepted = byPattern.get(pattern);
        if (accepted) return accepted;
      }
      return null;
    },
  };
}

function nameDomains(
  entries: Readonly<Record<string, DomainEntry>>,
  source: Source,
): readonly Named[] {
  const keys = new Map<DomainPattern, string>();
  const named: Named[] = [];
  for (const [key, entry] of Object.entries(entries)) {
    const path = ["domains", key];
    const pattern = parseDomainPattern(key);
    const first = pattern === null ? undefined : keys.get(pattern);
    if (pattern === null) source.complain(path, `expected a domain, got \`${key}\``, "key");
    else if (isTooWide(pattern))
      source.complain(path, `\`${key}\` would make the gateway an open relay`, "key");
    else if (first !== undefined)
      source.complain(path, `\`${key}\` is the same domain as \`${first}\``, "key");
    else {
      keys.set(pattern, key);
      named.push({ key, pattern, entry });
    }
  }
  return named;
}

async function readTables(
  named: readonly Named[],
  source: Source,
  read: ReadRecipients,
): Promise<ReadonlyMap<string, RecipientTable>> {
  const users = Map.groupBy(
    named.filter(({ entry: { recipients } }) => recipients?.file && !recipients.list),
    ({ entry }) => entry.recipients?.file ?? "",
  );
  const tables = new Map<string, RecipientTable>();
  for (const [file, domains] of users) {
    const patterns = domains.map(({ pattern }) => pattern);
    const table = await read(file, coverage(patterns));
    const [first] = domains;
    if (typeof table !== "string") tables.set(file, table);
    else if (first) source.complain(["domains", first.key, "recipients", "file"], table);
  }
  return tables;
}

function recipientsOf(
  { key, pattern, entry }: Named,
  tables: ReadonlyMap<string, RecipientTable>,
  source: Source,
): RecipientSource {
  const { recipients, verify } = entry;
  const path = ["domains", key];
  if (!recipients) return verify === "off" ? { kind: "any" } : { kind: "call-out" };
  if (verify !== undefined)
    source.complain([...path, "verify"], "expected recipients or verify, got both", "key");
  if ((recipients.list === undefined) === (recipients.file === undefined))
    source.complain([...path, "recipients"], "expected either list or file", "key");
  const covers = coverage([pattern]);
  if (recipients.file !== undefined)
    return listOf(tables.get(recipients.file) ?? createRecipientTable(), recipients.file, covers);
  const table = createRecipientTable();
  for (const [index, address] of (recipients.list ?? []).entries()) {
    const fault = table.add(address, covers);
    if (fault !== null) source.complain([...path, "recipients", "list", index], fault);
  }
  return listOf(table, "domains.yaml", covers);
}

function thresholdsOf(
  { key, entry }: Named,
  defaults: Thresholds,
  source: Source,
): { readonly thresholds?: Thresholds } {
  if (!entry.thresholds) return {};
  const thresholds = withDefaults(entry.thresholds, defaults);
  const fault = thresholdsFault(thresholds);
  if (fault !== null) source.complain(["domains", key, "thresholds"], fault);
  return { thresholds };
}

function listOf(
  table: RecipientTable,
  from: string,
  covers: (domain: string) => boolean,
): RecipientSource {
  return {
    kind: "list",
    has: (localPart, domain) => covers(domain) && table.has(localPart, domain),
    count: table.count(covers),
    from,
  };
}
