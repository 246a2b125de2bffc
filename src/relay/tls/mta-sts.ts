import { abandonOn, type Clock, startDeadline } from "../../base/clock.ts";
import { errorText } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { HttpsClient } from "../../net/https-exchange.ts";
import { createLookupScope, type LookupScope, type Resolver } from "../../net/resolver.ts";
import { createStsCache, remember, type StsCache } from "./mta-sts-cache.ts";
import { fetchStsPolicy, type StsTrouble } from "./mta-sts-fetch.ts";
import { parseStsRecord } from "./mta-sts-record.ts";
import type { KeptPolicy, StsStore } from "./mta-sts-store.ts";

/**
 * MTA-STS (RFC 8461) from a sender's side: which policy a domain has. A policy that was fetched once
 * holds for its time, whatever DNS and the policy host say meanwhile (5.1): that is the protection.
 * Each process keeps its own memory over the files that all of them share.
 */
export interface MtaSts {
  /** Never throws. Waits for a policy that must be fetched first, within the scope's signal. */
  find(domain: string, scope: LookupScope): Promise<StsFinding>;
  /** Fetches what will need it, and forgets what has ended. Never throws. */
  refresh(): Promise<void>;
}

export interface StsFinding {
  /** In force now; null: none is known. */
  readonly kept: KeptPolicy | null;
  /** The domain says that it has another, and that one cannot be had. */
  readonly trouble: StsTrouble | null;
}

export interface MtaStsOptions {
  readonly resolver: Resolver;
  readonly https: HttpsClient;
  readonly store: StsStore;
  readonly clock: Clock;
  readonly log: Log;
  /** Of policy hosts. Default: 443, the only one there is outside of tests. */
  readonly port?: number;
}

/** Address, connection, handshake and answer together; mail waits for it. */
const FETCH_LIMIT_MS = 15_000;
/** RFC 8461 3.3: after a failure, five minutes at least. */
const FAILURE_PAUSE_MS = 5 * 60_000;
const MAX_FAILURES = 10_000;
const DAY_MS = 24 * 60 * 60 * 1000;
/** Nobody writes there any more: it may end. */
const FORGOTTEN_MS = 31 * DAY_MS;
/** Policies that one round fetches at the same time. */
const AT_ONCE = 4;

export function createMtaSts(options: MtaStsOptions): MtaSts {
  const { resolver, store, clock, log } = options;
  const cache = createStsCache(store, clock, log);
  const fetchOnce = createFetchOnce(options, cache);
  const refreshOne = async (kept: KeptPolicy): Promise<void> => {
    const { domain, usedAt } = kept;
    if (!wantsRefresh(kept, clock.now()) || clock.now() - usedAt > FORGOTTEN_MS) return;
    const deadline = startDeadline(clock, FETCH_LIMIT_MS);
    const id = await liveId(resolver, domain, createLookupScope(deadline.signal));
    deadline.clear();
    // Without a record nothing new is to be had; what is kept holds until it ends.
    if (id !== null) await fetchOnce(domain, id, usedAt);
  };
  return {
    async find(domain, scope) {
      const known = await cache.get(domain);
      const id = await liveId(resolver, domain, scope);
      if (id === null) return { kept: known, trouble: null };
      const now = clock.now();
      if (known?.id === id) {
        if (wantsRefresh(known, now)) void fetchOnce(domain, id, now);
        else if (now - known.usedAt > DAY_MS) void cache.put({ ...known, usedAt: now });
        return { kept: known, trouble: null };
      }
      const trouble = await abandonOn(scope.signal, fetchOnce(domain, id, now)).catch(toTrouble);
      return { kept: await cache.get(domain), trouble };
    },
    async refresh() {
      const queue = [...(await cache.all())];
      const worker = async () => {
        for (let kept = queue.pop(); kept; kept = queue.pop()) await refreshOne(kept);
      };
      await Promise.all(Array.from({ length: AT_ONCE }, worker));
    },
  };
}

/** Null: the policy is in the cache. Never rejects. */
type FetchOnce = (domain: string, id: string, usedAt: number) => Promise<StsTrouble | null>;

interface Failed {
  readonly trouble: StsTrouble;
  readonly until: number;
}

/** One fetch a domain at a time, and none soon after one that failed. */
function createFetchOnce(options: MtaStsOptions, cache: StsCache): FetchOnce {
  const { clock, log, https, port } = options;
  const failures = new Map<string, Failed>();
  const running = new Map<string, Promise<StsTrouble | null>>();
  const fetchNow: FetchOnce = async (domain, id, usedAt) => {
    const stored = await cache.reload(domain);
    // Another process was faster.
    if (stored?.id === id && !wantsRefresh(stored, clock.now())) return null;
    const deadline = startDeadline(clock, FETCH_LIMIT_MS);
    const fetched = await fetchStsPolicy(https, domain, deadline.signal, port);
    deadline.clear();
    if (fetched.kind === "policy") {
      failures.delete(domain);
      await cache.put({ domain, id, policy: fetched.policy, fetchedAt: clock.now(), usedAt });
      return null;
    }
    const { fault, reason } = fetched;
    log.warn("mta-sts-not-fetched", { domain, fault, reason });
    const until = clock.monotonic() + FAILURE_PAUSE_MS;
    remember(failures, MAX_FAILURES, domain, { trouble: { fault, reason }, until });
    return { fault, reason };
  };
  return (domain, id, usedAt) => {
    const failed = failures.get(domain);
    if (failed && clock.monotonic() < failed.until) return Promise.resolve(failed.trouble);
    const work =
      running.get(domain) ?? fetchNow(domain, id, usedAt).finally(() => running.delete(domain));
    running.set(domain, work);
    return work;
  };
}

/** What the TXT record says now; null: nothing, or nothing that can be understood or heard. */
async function liveId(
  resolver: Resolver,
  domain: string,
  scope: LookupScope,
): Promise<string | null> {
  const answer = await resolver.lookup(`_mta-sts.${domain}`, "TXT", scope);
  const record = parseStsRecord(answer.kind === "found" ? answer.records : []);
  return record.kind === "record" ? record.id : null;
}

/** RFC 8461 10.2: daily, so that a policy never ends between two messages; shorter ones at half. */
function wantsRefresh({ fetchedAt, policy }: KeptPolicy, now: number): boolean {
  return now >= fetchedAt + Math.min(DAY_MS, (policy.maxAgeSeconds * 1000) / 2);
}

function toTrouble(error: unknown): StsTrouble {
  return { fault: "sts-policy-fetch-error", reason: errorText(error) };
}
