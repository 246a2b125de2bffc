import { mailboxKey, withoutTag, withTagOf } from "../mail/local-part.ts";
import type { DomainPattern } from "./domain-pattern.ts";
import { mostSpecific } from "./domain-pattern.ts";

/** One address, a whole domain, or the subdomains of one. */
export type AddressPattern =
  | { readonly kind: "address"; readonly localPart: string; readonly domain: string }
  | { readonly kind: "domain" | "wildcard"; readonly domain: DomainPattern };

export interface AddressTarget {
  /** Null: the local part stays as it is. */
  readonly localPart: string | null;
  readonly domain: string;
  /** The entry, for explain. */
  readonly by: string;
}

export interface AddressMapEntry {
  readonly from: AddressPattern;
  readonly to: AddressPattern;
  /** Of a single address: what parts it from a tag, with which it counts too. */
  readonly tags?: string | null;
  /** What comes out bears the tag as well. */
  readonly keepsTag?: boolean;
}

/**
 * What an address becomes. A single address counts before what it is without its tag, that before its
 * domain, and that before a wildcard.
 */
export interface AddressMap {
  /** `localPart` as written, quotes included; `domain` in its form for comparison. */
  find(localPart: string, domain: string): AddressTarget | null;
  readonly isEmpty: boolean;
}

/** Applied once: what comes out is not looked up again. */
export function createAddressMap(entries: readonly AddressMapEntry[]): AddressMap {
  const targets = new Map<string, AddressTarget>();
  const addresses = new Map<string, AddressMapEntry>();
  const separators = new Set<string>();
  for (const entry of entries) {
    const { from, tags } = entry;
    if (from.kind !== "address") targets.set(from.domain, toTarget(entry));
    else addresses.set(patternKey(from), entry);
    if (from.kind === "address" && tags) separators.add(tags);
  }
  const findTagged = (localPart: string, domain: string): AddressTarget | null => {
    for (const separator of separators) {
      const name = withoutTag(mailboxKey(localPart), separator);
      const entry = name === null ? undefined : addresses.get(`${name}@${domain}`);
      if (entry?.tags === separator) return toTaggedTarget(entry, localPart, separator);
    }
    return null;
  };
  return {
    isEmpty: entries.length === 0,
    find(localPart, domain) {
      const entry = addresses.get(addressKey(localPart, domain));
      if (entry) return toTarget(entry);
      return findTagged(localPart, domain) ?? mostSpecific(targets, domain);
    },
  };
}

function toTarget({ from, to }: AddressMapEntry): AddressTarget {
  const by = `${formatPattern(from)} → ${formatPattern(to)}`;
  return { localPart: to.kind === "address" ? to.localPart : null, domain: to.domain, by };
}

function toTaggedTarget(entry: AddressMapEntry, spoken: string, separator: string): AddressTarget {
  const target = toTarget(entry);
  if (!entry.keepsTag || target.localPart === null) return target;
  return { ...target, localPart: withTagOf(spoken, separator, target.localPart) };
}

/** The same for patterns that mean the same. */
export function patternKey(pattern: AddressPattern): string {
  return pattern.kind === "address"
    ? addressKey(pattern.localPart, pattern.domain)
    : pattern.domain;
}

/** As an operator writes it. */
export function formatPattern(pattern: AddressPattern): string {
  return pattern.kind === "address" ? `${pattern.localPart}@${pattern.domain}` : pattern.domain;
}

function addressKey(localPart: string, domain: string): string {
  return `${mailboxKey(localPart)}@${domain}`;
}
