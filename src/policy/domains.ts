import type { Thresholds } from "../pipeline/plan.ts";
import { checkShape } from "./check-shape.ts";
import {
  type DomainPattern,
  isTooWide,
  mostSpecific,
  parseDomainPattern,
} from "./domain-pattern.ts";
import { createRecipientCompiler, type RecipientReader } from "./domain-recipients.ts";
import { type DomainEntry, domainsSchema, type NamedDomain } from "./domain-schema.ts";
import type { AcceptedDomain, Domains } from "./snapshot.ts";
import type { Source } from "./source.ts";
import { thresholdsFault, withDefaults } from "./thresholds.ts";

export interface CompiledDomains {
  readonly domains: Domains;
  /** The key in the file for each canonical name. */
  readonly keys: ReadonlyMap<string, string>;
}

/** `domains.yaml`: what we accept mail for. Undefined after problems were reported. */
export async function compileDomains(
  source: Source,
  defaults: Thresholds,
  reader: RecipientReader,
): Promise<CompiledDomains | undefined> {
  const file = checkShape(domainsSchema, source);
  if (!file) return undefined;
  const named = nameDomains(file.domains, source);
  const recipientsOf = await createRecipientCompiler(named, source, reader);
  const all = named.map(
    (domain): AcceptedDomain => ({
      name: domain.pattern,
      type: domain.entry.type,
      recipients: recipientsOf(domain),
      ack: domain.entry.ack,
      lineEndings: domain.entry.lineEndings,
      ...thresholdsOf(domain, defaults, source),
      ...(domain.entry.limits && { limits: domain.entry.limits }),
      ...(domain.entry.skip && { skip: domain.entry.skip }),
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
    find: (domain) => mostSpecific(byPattern, domain),
  };
}

/** What parts a mailbox of the domain from its tag; null: nothing does. */
export function tagsIn(domains: Pick<Domains, "find">, domain: string): string | null {
  const recipients = domains.find(domain)?.recipients;
  return recipients?.kind === "list" ? (recipients.tags ?? null) : null;
}

function nameDomains(
  entries: Readonly<Record<string, DomainEntry>>,
  source: Source,
): readonly NamedDomain[] {
  const keys = new Map<DomainPattern, string>();
  const named: NamedDomain[] = [];
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

function thresholdsOf(
  { key, entry }: NamedDomain,
  defaults: Thresholds,
  source: Source,
): { readonly thresholds?: Thresholds } {
  if (!entry.thresholds) return {};
  const thresholds = withDefaults(entry.thresholds, defaults);
  const fault = thresholdsFault(thresholds);
  if (fault !== null) source.complain(["domains", key, "thresholds"], fault);
  return { thresholds };
}
