import type { Json } from "../base/json.ts";
import type { Answer } from "./reputation.ts";

/**
 * A list whose entries end by themselves and can be seen, as blocks and exceptions. When it is full
 * (MAX_SHELF_ENTRIES) the entry that ends soonest makes room.
 */
export interface Shelf {
  /** In place of one with the same key, whose hits it keeps. */
  put(entry: Pick<ShelfEntry, "key" | "value" | "until">): Promise<Answer<true>>;
  /** Those that are there and in force, in the order of the keys. */
  get(keys: readonly string[]): Promise<Answer<readonly ShelfEntry[]>>;
  /** All in force, the latest first. */
  list(): Promise<Answer<readonly ShelfEntry[]>>;
  /** Whether there was one. */
  remove(key: string): Promise<Answer<boolean>>;
  /** It was of use. Written as what is learned: later, and never waited for. */
  hit(key: string): void;
}

export interface ShelfEntry {
  readonly key: string;
  readonly value: Json;
  readonly since: number;
  readonly until: number;
  readonly hits: number;
  readonly lastHit: number | null;
}

/** A botnet of this size is a matter for a DNSBL; some 25 MB at most. */
export const MAX_SHELF_ENTRIES = 50_000;
