import { createPublicKey, type KeyObject } from "node:crypto";
import type { KeyLookup } from "./key-lookup.ts";
import type { SigningKey } from "./signing-key.ts";

/** What the world finds in DNS of a key of ours. */
export type PublishedKey =
  | { readonly kind: "published"; readonly name: string; readonly isTesting: boolean }
  /** Another key, a broken record, or none: signatures count for nothing. */
  | { readonly kind: "wrong"; readonly name: string; readonly reason: string }
  /** DNS did not say. */
  | { readonly kind: "unknown"; readonly name: string; readonly reason: string };

export async function lookUpOwnKey(own: SigningKey, lookup: KeyLookup): Promise<PublishedKey> {
  const found = await lookup.find(own.domain, own.selector);
  const { name } = found.answer;
  if (found.kind !== "key") {
    const { kind, reason } = found;
    return { kind: kind === "temperror" ? "unknown" : "wrong", name, reason };
  }
  if (!publicOctets(found.key.key).equals(publicOctets(createPublicKey(own.key))))
    return { kind: "wrong", name, reason: "it is the record of another key" };
  return { kind: "published", name, isTesting: found.key.testing };
}

function publicOctets(key: KeyObject): Buffer {
  return key.export({ type: "spki", format: "der" });
}
