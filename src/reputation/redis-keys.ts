import { createHash } from "node:crypto";

/** Callers' keys hold what strangers made up; longer ones are kept by their hash. */
const MAX_KEY = 300;

/**
 * The braces say what of the key decides its place in a Cluster (its hash tag). A brace of the caller's
 * own would end the tag early: a matter of place only, never of identity.
 */
export function toKey(kind: "rep" | "claim" | "grey" | "rate", key: string): string {
  const bounded = key.length <= MAX_KEY ? key : createHash("sha256").update(key).digest("hex");
  return `postern:${kind}:{${bounded}}`;
}

/** Entries, their ends, their hits: one tag, since one script writes all three. */
export function shelfKeys(shelf: string): readonly [string, string, string] {
  const entries = `postern:shelf:{${shelf}}`;
  return [entries, `${entries}:ends`, `${entries}:hits`];
}
