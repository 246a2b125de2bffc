import { Cluster, Redis, type RedisOptions } from "ioredis";
import type { RedisAddress } from "./redis-url.ts";

/** Of one command, in redis-link.ts; a session waits no longer for it. */
export const COMMAND_LIMIT_MS = 150;
const CONNECT_LIMIT_MS = 500;
/** A server that leaves a command without an answer so long is left, and called anew. */
const SILENCE_LIMIT_MS = 1000;
/** Of a batch of what was learned, for which nobody waits: shorter than the silence. */
export const WRITE_LIMIT_MS = 900;
/** Between attempts to connect: recovery is noticed within a second. */
const RETRY_STEP_MS = 100;
const RETRY_MOST_MS = 1000;
/** Of a cluster: a slot that moved, or whose master died, within the limit of one command. */
const REDIRECTIONS = 3;
const REDIRECT_PAUSE_MS = 20;
const SLOTS_EVERY_MS = 2000;

export type RedisClient = Redis | Cluster;

export interface RedisAccess extends Omit<RedisAddress, "tls"> {
  /** Null: without TLS. `ca`: PEM trusted instead of the well-known authorities. */
  readonly tls: { readonly ca?: readonly string[] } | null;
  readonly sentinelPassword: string | null;
}

/**
 * With ioredis' defaults a command waits 30 s for a Redis that is down and for ever for one that is
 * mute, and is sent again when it may have been done (dependencies.md): nothing waits here, nothing
 * is sent twice.
 */
export function createRedisClient(access: RedisAccess): RedisClient {
  const { place, username, password } = access;
  const tls = access.tls && { tls: { ...(access.tls.ca && { ca: [...access.tls.ca] }) } };
  const identity = { ...(username && { username }), ...(password && { password }) };
  const node = { ...NODE_OPTIONS, ...tls, ...identity };
  switch (place.kind) {
    case "single":
      return new Redis({ ...node, ...SINGLE_OPTIONS, ...place.server, db: place.db });
    case "sentinel":
      return new Redis({ ...node, ...SINGLE_OPTIONS, ...toSentinel(access, place) });
    case "cluster":
      return new Cluster([...place.servers], {
        enableOfflineQueue: false,
        maxRedirections: REDIRECTIONS,
        retryDelayOnFailover: REDIRECT_PAUSE_MS,
        retryDelayOnClusterDown: REDIRECT_PAUSE_MS,
        retryDelayOnTryAgain: REDIRECT_PAUSE_MS,
        slotsRefreshTimeout: CONNECT_LIMIT_MS,
        slotsRefreshInterval: SLOTS_EVERY_MS,
        clusterRetryStrategy: retryAfterMs,
        redisOptions: node,
      });
  }
}

const NODE_OPTIONS = {
  maxRetriesPerRequest: 1,
  connectTimeout: CONNECT_LIMIT_MS,
  socketTimeout: SILENCE_LIMIT_MS,
  autoResendUnfulfilledCommands: false,
  connectionName: "postern",
} satisfies RedisOptions;

const SINGLE_OPTIONS = {
  enableOfflineQueue: false,
  retryStrategy: retryAfterMs,
  // A master that became a replica refuses writes: the sentinels know who is master now.
  reconnectOnError: (error) => error.message.startsWith("READONLY"),
} satisfies RedisOptions;

function retryAfterMs(times: number): number {
  return Math.min(times * RETRY_STEP_MS, RETRY_MOST_MS);
}

function toSentinel(
  { tls, sentinelPassword }: RedisAccess,
  { servers, name, db }: Extract<RedisAddress["place"], { readonly kind: "sentinel" }>,
) {
  return {
    sentinels: [...servers],
    name,
    db,
    failoverDetector: true,
    sentinelCommandTimeout: CONNECT_LIMIT_MS,
    sentinelRetryStrategy: retryAfterMs,
    ...(sentinelPassword && { sentinelPassword }),
    ...(tls && {
      enableTLSForSentinelMode: true,
      sentinelTLS: { ...(tls.ca && { ca: [...tls.ca] }) },
    }),
  } satisfies RedisOptions;
}
