import type { Clock } from "../base/clock.ts";
import type { ReadAnswer } from "./dns-answer.ts";
import type { Lookup } from "./resolver.ts";

export interface DnsCache {
  /** The answer with what is left of its time, or null. */
  get(key: string): Lookup<unknown> | null;
  /** Keeps `found` and `none` for the zone's time within our bounds; failures never. */
  put(key: string, answer: ReadAnswer<unknown>): void;
  size(): number;
}

export interface DnsCacheLimits {
  readonly maxEntries: number;
  /** Of the text of all records together. */
  readonly maxChars: number;
}

/** One entry is some hundred bytes: 20,000 names cost less than 10 MiB. */
const DEFAULT_LIMITS: DnsCacheLimits = { maxEntries: 20_000, maxChars: 16 * 1024 * 1024 };

/** A zone with a TTL of 0 may not make every mail ask again, nor may one keep an answer for ever. */
const MIN_TTL_SECONDS = 60;
const MAX_TTL_SECONDS = 3600;
const MIN_NEGATIVE_SECONDS = 10;
/** RFC 2308 5 suggests one to three hours; a new entry of a list or an SPF record must work sooner. */
const MAX_NEGATIVE_SECONDS = 900;

interface Entry {
  readonly lookup: Lookup<unknown>;
  readonly expiresAt: number;
  readonly chars: number;
}

/** Bounded: the entry that was not used for the longest time goes first. */
export function createDnsCache(clock: Clock, limits: DnsCacheLimits = DEFAULT_LIMITS): DnsCache {
  const entries = new Map<string, Entry>();
  let chars = 0;
  const remove = (key: string) => {
    const entry = entries.get(key);
    if (entry && entries.delete(key)) chars -= entry.chars;
  };
  return {
    get(key) {
      const entry = entries.get(key);
      if (!entry) return null;
      const leftMs = entry.expiresAt - clock.monotonic();
      if (leftMs <= 0) {
        remove(key);
        return null;
      }
      // A Map keeps the order of insertion, so the least recently used entry stays first.
      entries.delete(key);
      entries.set(key, entry);
      return withTtl(entry.lookup, Math.ceil(leftMs / 1000));
    },
    put(key, answer) {
      remove(key);
      const seconds = secondsToKeep(answer);
      const size = key.length + sizeOf(answer.lookup);
      if (seconds === null || size > limits.maxChars) return;
      entries.set(key, {
        lookup: answer.lookup,
        expiresAt: clock.monotonic() + seconds * 1000,
        chars: size,
      });
      chars += size;
      for (const oldest of entries.keys()) {
        if (entries.size <= limits.maxEntries && chars <= limits.maxChars) break;
        remove(oldest);
      }
    },
    size: () => entries.size,
  };
}

function secondsToKeep({ lookup, ttlSeconds }: ReadAnswer<unknown>): number | null {
  if (ttlSeconds === null) return null;
  if (lookup.kind === "found") return clamp(ttlSeconds, MIN_TTL_SECONDS, MAX_TTL_SECONDS);
  if (lookup.kind === "none") return clamp(ttlSeconds, MIN_NEGATIVE_SECONDS, MAX_NEGATIVE_SECONDS);
  return null;
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}

function withTtl(lookup: Lookup<unknown>, ttlSeconds: number): Lookup<unknown> {
  return lookup.kind === "found" ? { ...lookup, ttlSeconds } : lookup;
}

function sizeOf(lookup: Lookup<unknown>): number {
  return lookup.kind === "found" ? JSON.stringify(lookup.records).length : 0;
}
