import { mailboxKey } from "../mail/local-part.ts";
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
}

/** What an address becomes. A single address counts before its domain, that before a wildcard. */
export interface AddressMap {
  /** `localPart` as written, quotes included; `domain` in its form for comparison. */
  find(localPart: string, domain: string): AddressTarget | null;
  readonly isEmpty: boolean;
}

/** Applied once: what comes out is not looked up again. */
export function createAddressMap(entries: readonly AddressMapEntry[]): AddressMap {
  const targets = new Map<string, AddressTarget>();
  const addresses = new Map<string, AddressTarget>();
  for (const { from, to } of entries) {
    const by = `${formatPattern(from)} → ${formatPattern(to)}`;
    const localPart = to.kind === "address" ? to.localPart : null;
    const target = { localPart, domain: to.domain, by };
    if (from.kind === "address") addresses.set(patternKey(from), target);
    else targets.set(from.domain, target);
  }
  return {
    isEmpty: entries.length === 0,
    find(localPart, domain) {
      return addresses.get(addressKey(localPart, domain)) ?? mostSpecific(targets, domain);
    },
  };
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
