import type { Json } from "../base/json.ts";

/*
 * Readers of stored evidence, which may be of another version of its stage: what is not there as
 * expected throws.
 */

export function quoted(words: string | null): string | null {
  return words === null ? null : `"${words}"`;
}

export function member(value: Json, key: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new TypeError("expected an object");
  const members = value as { readonly [key: string]: Json | undefined };
  const found = Object.hasOwn(members, key) ? members[key] : undefined;
  if (found === undefined) throw new TypeError(`expected ${key}`);
  return found;
}

export function list(value: Json, key: string): readonly Json[] {
  const found = member(value, key);
  if (!Array.isArray(found)) throw new TypeError(`expected ${key} to be a list`);
  return found;
}

export function text(value: Json, key: string): string {
  const found = member(value, key);
  if (typeof found === "object") throw new TypeError(`expected ${key} to be a text`);
  return String(found);
}

export function optional(value: Json, key: string): string | null {
  return optionalMember(value, key) === null ? null : text(value, key);
}

export function optionalMember(value: Json, key: string): Json {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return null;
  return member(value, key);
}

export function words(value: Json, key: string): readonly string[] {
  return optionalMember(value, key) === null ? [] : list(value, key).map(String);
}
