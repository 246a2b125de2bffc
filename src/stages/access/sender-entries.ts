import { z } from "zod";
import { parseMailbox } from "../../mail/address.ts";
import { parseDomainName } from "../../mail/domain-name.ts";

/** A value in a message is shown this far. */
const MAX_SHOWN_CHARS = 60;

const address = z.string().superRefine((text, context) => {
  if (addressKey(text) === null) complain("an address such as jane@example.org", text, context);
});

const domain = z.string().superRefine((text, context) => {
  if (toDomain(text) !== null) return;
  const below = text.startsWith("*.") ? " (what is below it: domainsAndSubdomains)" : "";
  complain(`a domain such as example.org${below}`, text, context);
});

function complain(wanted: string, text: string, context: z.RefinementCtx): void {
  const got = JSON.stringify(text.slice(0, MAX_SHOWN_CHARS));
  context.addIssue({ code: "custom", message: `expected ${wanted}, got ${got}` });
}

/** Whom an entry is about: any of these. The null sender is nobody, and cannot be named. */
export const senderSchema = z
  .strictObject({
    addresses: z.array(address).min(1).optional(),
    /** These alone. */
    domains: z.array(domain).min(1).optional(),
    /** These and all below them. */
    domainsAndSubdomains: z.array(domain).min(1).optional(),
  })
  .refine((sender) => Object.values(sender).some((list) => list !== undefined), {
    error: "expected addresses, domains or domainsAndSubdomains",
  });

export type WrittenSender = z.infer<typeof senderSchema>;

/** What every entry has, as it is judged. */
export type EntryTerms = {
  readonly list: "allow" | "block";
  readonly reason: string;
  /** Absent: every spam stage. */
  readonly scope?: readonly string[] | undefined;
  /** Milliseconds since the epoch from which it has no effect; null: never. */
  readonly endsAt: number | null;
  /** False: an allowed sender need not be proven. */
  readonly authenticated?: boolean | undefined;
  /** Of one that a command made; absent: it stands in `access.yaml`. */
  readonly key?: string | undefined;
  readonly by?: string | undefined;
  /** Of one that stands in `access.yaml`: what its uses are counted under. */
  readonly fileKey?: string | undefined;
};

export type SenderEntry = EntryTerms & {
  /** The address or domain by which it was found. */
  readonly match: string;
  /** The more, the more specific: an address, a domain, a domain above it. */
  readonly rank: number;
};

export interface SenderSubject {
  readonly localPart: string;
  readonly domain: string;
}

/**
 * Entries by the sender: the address, the domain, then domains it is within, the longest first. A
 * blocked address is blocked with every tag (`bob+x@` for `bob@`), which costs its owner nothing;
 * an allowed one is what was written and nothing else.
 */
export interface SenderMap {
  find(sender: SenderSubject): readonly SenderEntry[];
}

export function compileSenders(
  entries: readonly (EntryTerms & { readonly sender: WrittenSender })[],
): SenderMap {
  const byKey = new Map<string, SenderEntry[]>();
  for (const { sender, ...terms } of entries) {
    for (const { key, name } of senderKeys(sender)) {
      const known = byKey.get(key) ?? [];
      known.push({ ...terms, match: name, rank: rankOf(key) });
      byKey.set(key, known);
    }
  }
  return {
    find(sender) {
      const [address = "", ...domains] = keysFor(sender);
      const untagged = (byKey.get(withoutTag(address)) ?? [])
        .filter(({ list }) => list === "block")
        .map((entry) => ({ ...entry, rank: UNTAGGED_RANK }));
      const rest = domains.flatMap((key) => byKey.get(key) ?? []);
      return [...(byKey.get(address) ?? []), ...untagged, ...rest];
    },
  };
}

/** Longer than any domain. */
const DOMAIN_RANK = 1000;
const ADDRESS_RANK = 2000;
/** The tag that was written is more specific than any. */
const UNTAGGED_RANK = 1999;

function rankOf(key: string): number {
  if (key.startsWith("=")) return DOMAIN_RANK;
  return key.startsWith("*") ? key.length : ADDRESS_RANK;
}

/** An address without its tag (RFC 5233) has the key of another address; else nobody's. */
function withoutTag(key: string): string {
  const tag = /^([^+]+)\+.*(@[^@]*)$/s.exec(key);
  return tag ? `${tag[1]}${tag[2]}` : "";
}

interface SenderKey {
  readonly key: string;
  readonly name: string;
  readonly path: readonly (string | number)[];
}

/** What an entry is found by. */
export function senderKeys(sender: WrittenSender): readonly SenderKey[] {
  const { addresses = [], domains = [], domainsAndSubdomains = [] } = sender;
  const named = (kind: string, name: string, key: string | null, index: number) =>
    key === null ? [] : [{ key, name, path: [kind, index] }];
  return [
    ...addresses.flatMap((text, i) => named("addresses", text, addressKey(text), i)),
    ...domains.flatMap((text, i) => named("domains", text, prefixed("=", toDomain(text)), i)),
    ...domainsAndSubdomains.flatMap((text, i) =>
      named("domainsAndSubdomains", text, prefixed("*", toDomain(text)), i),
    ),
  ];
}

function keysFor({ localPart, domain }: SenderSubject): readonly string[] {
  const keys = [toKey(localPart, domain), `=${domain}`, `*${domain}`];
  for (let dot = domain.indexOf("."); dot >= 0; dot = domain.indexOf(".", dot + 1))
    keys.push(`*${domain.slice(dot + 1)}`);
  return keys;
}

function prefixed(mark: "=" | "*", name: string | null): string | null {
  return name === null ? null : mark + name;
}

function toDomain(text: string): string | null {
  const name = parseDomainName(text, { utf8: true });
  return name === null || /^[\d.]+$/.test(name) ? null : name;
}

function addressKey(text: string): string | null {
  const parsed = parseMailbox(text);
  return parsed === null || parsed.domain === "" ? null : toKey(parsed.localPart, parsed.domain);
}

/**
 * `"b\ob"@` is `bob@` (RFC 5321 4.1.2), case is nobody's difference, and neither is whether an accent
 * is a character of its own (RFC 6532 3.1).
 */
function toKey(localPart: string, domain: string): string {
  const isQuoted = localPart.length > 1 && localPart.startsWith('"') && localPart.endsWith('"');
  const bare = isQuoted ? localPart.slice(1, -1).replace(/\\(.)/gs, "$1") : localPart;
  return `${bare.normalize("NFC").toLowerCase()}@${domain}`;
}
