import type { NameRule } from "./resolver.ts";

export type QueryName =
  | { readonly kind: "valid"; readonly name: string }
  | { readonly kind: "refused"; readonly reason: string };

/** RFC 1035 2.3.4: 255 octets on the wire are 253 characters as text. */
export const MAX_NAME_LENGTH = 253;
/** RFC 1035 2.3.4. */
const MAX_LABEL_LENGTH = 63;

const ALLOWED: { readonly [R in NameRule]: RegExp } = {
  host: /^[A-Za-z0-9_.-]*$/,
  printable: /^[\x20-\x7e]*$/,
};

/**
 * The name in the form that is asked and cached: lower case, no trailing dot. A NUL or a control
 * character in a name has made resolvers ask for another domain, so it is refused here, before
 * anything is sent.
 */
export function toQueryName(text: string, rule: NameRule = "host"): QueryName {
  const name = text.endsWith(".") ? text.slice(0, -1) : text;
  if (name.length === 0) return refused("the name is empty");
  if (name.length > MAX_NAME_LENGTH)
    return refused(`the name is longer than ${MAX_NAME_LENGTH} characters`);
  if (!ALLOWED[rule].test(name)) return refused("the name holds a character that is not allowed");
  for (const label of name.split(".")) {
    if (label.length === 0) return refused("the name has an empty label");
    if (label.length > MAX_LABEL_LENGTH)
      return refused(`a label is longer than ${MAX_LABEL_LENGTH} characters`);
  }
  return { kind: "valid", name: name.toLowerCase() };
}

/** A name of an answer as text: lower case, no trailing dot, the root empty. */
export function canonicalName(name: string): string {
  const lower = name.toLowerCase();
  return lower.endsWith(".") ? lower.slice(0, -1) : lower;
}

function refused(reason: string): QueryName {
  return { kind: "refused", reason };
}
