import type { HeaderBlock, HeaderField } from "../../mail/header-block.ts";
import type { TagList } from "../dkim/tag-list.ts";
import {
  type ArcSeal,
  MAX_INSTANCE,
  parseSeal,
  readInstance,
  readResultsInstance,
  readTags,
} from "./arc-seal.ts";

/** The three fields that one sealer added. */
export interface ArcSet {
  readonly instance: number;
  readonly results: HeaderField;
  readonly message: { readonly field: HeaderField; readonly tags: TagList };
  readonly seal: ArcSeal;
}

/** What the fields are, before any of it is verified. */
export type ArcChain =
  | { readonly kind: "none" }
  | { readonly kind: "broken"; readonly reason: string }
  /** By instance, from 1 on without a gap. */
  | { readonly kind: "chain"; readonly sets: readonly ArcSet[] };

interface Found<T> {
  readonly instance: number;
  readonly value: T;
}

type Numbered<T> = readonly Found<T>[] | string;

/**
 * The sets of RFC 8617 5.2, steps 1 to 3: each instance once in each of the three kinds, none left
 * out, each seal saying of the chain before it what can only be said of a whole one.
 */
export function readChain(headers: HeaderBlock): ArcChain {
  const fields = {
    results: headers.all("arc-authentication-results"),
    messages: headers.all("arc-message-signature"),
    seals: headers.all("arc-seal"),
  };
  const counts = Object.values(fields).map(({ length }) => length);
  const most = Math.max(...counts);
  if (most === 0) return { kind: "none" };
  // Before any of it is parsed: a thousand fields cost nothing.
  if (most > MAX_INSTANCE) return broken(`more than ${MAX_INSTANCE} sets`);
  const results = numberResults(fields.results);
  if (typeof results === "string") return broken(results);
  const messages = numberTagged("ARC-Message-Signature", fields.messages);
  if (typeof messages === "string") return broken(messages);
  const seals = numberTagged("ARC-Seal", fields.seals);
  if (typeof seals === "string") return broken(seals);
  return join(most, results, messages, seals);
}

interface Tagged {
  readonly field: HeaderField;
  readonly tags: TagList;
}

function join(
  count: number,
  results: readonly Found<HeaderField>[],
  messages: readonly Found<Tagged>[],
  seals: readonly Found<Tagged>[],
): ArcChain {
  const sets: ArcSet[] = [];
  for (let instance = 1; instance <= count; instance++) {
    const own = [pick(results, instance), pick(messages, instance), pick(seals, instance)] as const;
    const [result, message, sealed] = own;
    if (!result || !message || !sealed) return broken(`set ${instance} is not whole`);
    const seal = parseSeal(sealed.field, sealed.tags);
    if (typeof seal === "string") return broken(`seal ${instance}: ${seal}`);
    const expected = instance === 1 ? "none" : "pass";
    if (seal.cv !== expected) return broken(`seal ${instance} says cv=${seal.cv}`);
    sets.push({ instance, results: result, message, seal });
  }
  return { kind: "chain", sets };
}

/** Exactly one; null: none, or several. */
function pick<T>(found: readonly Found<T>[], instance: number): T | null {
  const own = found.filter((one) => one.instance === instance);
  return own.length === 1 ? (own[0]?.value ?? null) : null;
}

function numberResults(fields: readonly HeaderField[]): Numbered<HeaderField> {
  const found: Found<HeaderField>[] = [];
  for (const field of fields) {
    const instance = readResultsInstance(field.rawValue);
    if (instance === null) return "ARC-Authentication-Results without an instance";
    found.push({ instance, value: field });
  }
  return found;
}

function numberTagged(name: string, fields: readonly HeaderField[]): Numbered<Tagged> {
  const found: Found<Tagged>[] = [];
  for (const field of fields) {
    const tags = readTags(field);
    if (typeof tags === "string") return `${name}: ${tags}`;
    const instance = readInstance(tags);
    if (instance === null) return `${name} without an instance`;
    found.push({ instance, value: { field, tags } });
  }
  return found;
}

function broken(reason: string): ArcChain {
  return { kind: "broken", reason };
}
