import { getDomain } from "tldts";

/**
 * What somebody registered, by the list of public suffixes with its private part, so that customers of
 * one host (`a.example.github.io`) are told apart. Null for an address, a public suffix itself, and what
 * is no name of two labels.
 */
export function registeredDomain(name: string): string | null {
  return getDomain(name, { allowPrivateDomains: true });
}
