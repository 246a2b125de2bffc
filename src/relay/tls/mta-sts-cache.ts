import type { Clock } from "../../base/clock.ts";
import { errorText } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { KeptPolicy, StsStore } from "./mta-sts-store.ts";

/** Policies in memory over their files, which other processes of ours write as well. */
export interface StsCache {
  /** Null when none is known whose time is not over. */
  get(domain: string): Promise<KeptPolicy | null>;
  /** What another process may have written: past the memory. */
  reload(domain: string): Promise<KeptPolicy | null>;
  /** Kept in memory even when the disk fails. */
  put(kept: KeptPolicy): Promise<void>;
  /** Every file; those whose time is over go. */
  all(): Promise<readonly KeptPolicy[]>;
}

/** A policy is up to 100 host names. */
const MAX_REMEMBERED = 1000;
const DAY_MS = 24 * 60 * 60 * 1000;

export function createStsCache(store: StsStore, clock: Clock, log: Log): StsCache {
  const memory = new Map<string, KeptPolicy>();
  const current = (kept: KeptPolicy | null | undefined): KeptPolicy | null => {
    if (!kept || hasEnded(kept, clock.now())) return null;
    remember(memory, MAX_REMEMBERED, kept.domain, kept);
    return kept;
  };
  return {
    get: async (domain) => current(memory.get(domain)) ?? current(await store.read(domain)),
    reload: async (domain) => current(await store.read(domain)),
    async put(kept) {
      current(kept);
      try {
        await store.write(kept);
      } catch (error) {
        log.warn("mta-sts-not-stored", { domain: kept.domain, reason: errorText(error) });
      }
    },
    async all() {
      const all = await store.list().catch(() => []);
      const ended = all.filter((kept) => hasEnded(kept, clock.now()));
      for (const { domain } of ended) await store.remove(domain).catch(() => {});
      return all.filter((kept) => !ended.includes(kept));
    },
  };
}

function hasEnded({ fetchedAt, policy }: KeptPolicy, now: number): boolean {
  // A clock that went back must not keep a policy for ever.
  return now < fetchedAt - DAY_MS || now >= fetchedAt + policy.maxAgeSeconds * 1000;
}

/** Bounded: the least recently written goes first. */
export function remember<T>(map: Map<string, T>, most: number, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > most && oldest !== undefined) map.delete(oldest);
}
