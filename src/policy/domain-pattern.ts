import { parseDomainName } from "../mail/domain-name.ts";

/** `example.org`, `*.example.org` (its subdomains, not itself) or `*`, canonical. */
export type DomainPattern = string;

/**
 * The pattern in its canonical form, or null when the text is none. A name alone must have a dot,
 * or be one label of a private network.
 */
export function parseDomainPattern(text: string): DomainPattern | null {
  if (text === "*") return text;
  const wildcard = text.startsWith("*.");
  const domain = parseDomainName(wildcard ? text.slice(2) : text, { utf8: true });
  // All digits is how an IPv4 address looks; nobody's mail domain.
  if (domain === null || /^[\d.]+$/.test(domain)) return null;
  return wildcard ? `*.${domain}` : domain;
}

/**
 * Patterns that cover a domain, most specific first: itself, `*.parent`, ..., `*`. Also of a
 * wildcard: the patterns that cover all of it.
 */
export function* patternsFor(domain: DomainPattern): Generator<DomainPattern> {
  yield domain;
  for (let dot = domain.indexOf("."); dot >= 0; dot = domain.indexOf(".", dot + 1))
    yield `*${domain.slice(dot)}`;
  yield "*";
}

/** What stands under the most specific pattern that covers a domain; null where none does. */
export function mostSpecific<T extends object>(
  byPattern: ReadonlyMap<DomainPattern, T>,
  domain: DomainPattern,
): T | null {
  if (byPattern.size === 0) return null;
  for (const pattern of patternsFor(domain)) {
    const found = byPattern.get(pattern);
    if (found) return found;
  }
  return null;
}

/** Tells whether one of the patterns covers a domain (or a whole wildcard), however many they are. */
export function coverage(patterns: Iterable<DomainPattern>): (domain: DomainPattern) => boolean {
  const known = new Set(patterns);
  return (domain) => patternsFor(domain).some((pattern) => known.has(pattern));
}

/** Second-level labels under which a country registers its organisations. */
const REGISTRY_LABELS: ReadonlySet<string> = new Set(
  "ac co com edu go gob gov gouv govt id ltd mil ne net nhs or org plc sch".split(" "),
);

/**
 * True for a wildcard under which strangers register their domains: accepting it would make us an
 * open relay. `*.org`, `*.co.uk`; the rule is rough because the whole list of registries changes.
 */
export function isTooWide(pattern: DomainPattern): boolean {
  if (pattern === "*") return true;
  if (!pattern.startsWith("*.")) return false;
  const [first = "", ...rest] = pattern.slice(2).split(".");
  if (rest.length === 0) return true;
  return rest.length === 1 && rest[0]?.length === 2 && REGISTRY_LABELS.has(first);
}
