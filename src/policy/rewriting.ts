import type { Address } from "../mail/address.ts";
import type { SrsRule } from "../mail/srs.ts";
import { type AddressMap, createAddressMap, formatPattern } from "./address-map.ts";
import { checkRewriting, type MailPolicy } from "./check-rewriting.ts";
import { checkShape } from "./check-shape.ts";
import { type DomainPattern, mostSpecific, parseDomainPattern } from "./domain-pattern.ts";
import { tagsIn } from "./domains.ts";
import { directionOf, type RewritingFile, rewritingSchema } from "./rewriting-file.ts";
import type { Domains } from "./snapshot.ts";
import type { Source } from "./source.ts";

/** `rewriting.yaml`, compiled: what the stages that change addresses judge by. */
export interface Rewriting {
  /** For mail that a hub sends out, and for mail that comes in. */
  readonly outbound: AddressMap;
  readonly inbound: AddressMap;
  readonly redirects: AddressMap;
  readonly srs: SrsRule | null;
  /** Null: the domain has no tags. */
  tagsOf(domain: string): BounceTagRule | null;
  readonly copies: readonly CopyRule[];
  isAccepted(domain: string): boolean;
}

export interface BounceTagRule {
  /** `observe`: untagged bounces are marked and taken. */
  readonly mode: "observe" | "enforce";
  readonly validDays: number;
}

export interface CopyRule {
  /** Absent: everybody. */
  readonly recipients: AddressMap | null;
  readonly senders: AddressMap | null;
  readonly to: Address;
}

export interface CompiledRewriting {
  readonly rewriting: Rewriting;
  /** For `policy show --effective`. */
  readonly file: RewritingFile;
  /** The stages of which the file asks something; the others take no part. */
  readonly stages: ReadonlySet<string>;
}

/** Undefined after problems were reported. `mail` is undefined when its files had some. */
export function compileRewriting(
  source: Source,
  mail: MailPolicy | undefined,
): CompiledRewriting | undefined {
  const file = checkShape(rewritingSchema, source);
  if (!file) return undefined;
  const tags = compileTags(file, source);
  if (!mail) return undefined;
  checkRewriting(file, mail, source);
  return {
    rewriting: toRewriting(file, tags, mail.domains),
    file,
    stages: stagesFor(file),
  };
}

function toRewriting(
  file: RewritingFile,
  tags: ReadonlyMap<DomainPattern, BounceTagRule>,
  domains: Domains,
): Rewriting {
  const goes = (way: "outbound" | "inbound") =>
    file.addresses.filter((entry) => directionOf(entry) === "both" || directionOf(entry) === way);
  const tagsOf = tagFinder(file, domains);
  return {
    outbound: createAddressMap(
      goes("outbound").map(({ internal, external }) => ({
        from: internal,
        to: external,
        tags: tagsOf(internal),
        keepsTag: true,
      })),
    ),
    inbound: createAddressMap(
      goes("inbound").map(({ internal, external }) => ({
        from: external,
        to: internal,
        tags: tagsOf(external),
        keepsTag: true,
      })),
    ),
    redirects: createAddressMap(
      file.redirects.map(({ recipient, to }) => ({
        from: { kind: "address", ...recipient },
        to: { kind: "address", ...to },
        tags: tagsOf(recipient),
      })),
    ),
    srs: file.srs,
    tagsOf: (domain) => mostSpecific(tags, domain),
    copies: file.copies.map(({ recipients, senders, to }) => ({
      recipients: recipients ? toFilter(recipients, tagsOf) : null,
      senders: senders ? toFilter(senders, tagsOf) : null,
      to,
    })),
    isAccepted: (domain) => domains.find(domain) !== null,
  };
}

/** What parts a tag in a domain; in one that only stands outside, what does so inside. */
type TagFinder = (pattern: { readonly domain: string }) => string | null;

function tagFinder({ addresses }: RewritingFile, domains: Domains): TagFinder {
  const inside = new Map<string, string>();
  for (const { internal, external } of addresses) {
    const tags = tagsIn(domains, internal.domain);
    if (tags !== null) inside.set(external.domain, tags);
  }
  return ({ domain }) => tagsIn(domains, domain) ?? inside.get(domain) ?? null;
}

type Patterns = NonNullable<RewritingFile["copies"][number]["recipients"]>;

/** A map to itself: who is in it is meant. */
function toFilter(patterns: Patterns, tagsOf: TagFinder): AddressMap {
  return createAddressMap(
    patterns.map((pattern) => ({ from: pattern, to: pattern, tags: tagsOf(pattern) })),
  );
}

function compileTags(
  { bounceTags }: RewritingFile,
  source: Source,
): ReadonlyMap<DomainPattern, BounceTagRule> {
  const tags = new Map<DomainPattern, BounceTagRule>();
  for (const [key, rule] of Object.entries(bounceTags)) {
    const path = ["bounceTags", key];
    const pattern = key === "*" ? null : parseDomainPattern(key);
    if (pattern === null) source.complain(path, `expected a domain, got \`${key}\``, "key");
    else if (tags.has(pattern)) source.complain(path, `\`${key}\` is named twice`, "key");
    else tags.set(pattern, rule);
  }
  return tags;
}

/** By name, as the catalog has them. */
function stagesFor({
  addresses,
  redirects,
  srs,
  bounceTags,
  copies,
}: RewritingFile): ReadonlySet<string> {
  const directions = new Set(addresses.map(directionOf));
  const isOutbound = directions.has("both") || directions.has("outbound");
  const isInbound = directions.has("both") || directions.has("inbound");
  const wanted: readonly (readonly [string, boolean])[] = [
    ["rewrite-sender", isOutbound],
    ["bounce-tag", Object.keys(bounceTags).length > 0],
    ["rewrite-recipient", isInbound || redirects.length > 0],
    ["srs", srs !== null],
    ["copies", copies.length > 0],
    ["rewrite-headers", addresses.length > 0],
  ];
  return new Set(wanted.flatMap(([name, isWanted]) => (isWanted ? [name] : [])));
}

/** The file again, with its defaults. */
export function effectiveRewriting(file: RewritingFile) {
  const { addresses, redirects, srs, bounceTags, copies } = file;
  const inWords = (patterns: Patterns | undefined) => patterns?.map(formatPattern);
  return {
    addresses: addresses.map((entry) => ({
      internal: formatPattern(entry.internal),
      external: formatPattern(entry.external),
      direction: directionOf(entry),
    })),
    redirects: redirects.map(({ recipient, to }) => ({
      recipient: recipient.spoken,
      to: to.spoken,
    })),
    srs,
    bounceTags,
    copies: copies.map(({ recipients, senders, to }) => ({
      recipients: inWords(recipients),
      senders: inWords(senders),
      to: to.spoken,
    })),
  };
}
