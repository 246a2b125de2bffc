import { Cluster } from "ioredis";
import type { Clock } from "../base/clock.ts";
import { errorText, Unavailable } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Metrics } from "../base/metrics.ts";
import { COMMAND_LIMIT_MS, type RedisClient } from "./redis-client.ts";

/** While nobody asks: how soon it is noticed that Redis answers again. */
const PROBE_EVERY_MS = 250;
/** An outage that comes and goes is told so often. */
const TELL_EVERY_MS = 10_000;

/**
 * One Redis as its users see it: an answer within COMMAND_LIMIT_MS, or Unavailable. The breaker opens
 * at the first command without an answer; from then on nothing is sent and nobody waits, until a
 * probe of ours is answered. An error that Redis answers (full, loading) is Unavailable as well and
 * opens nothing, since it costs no time.
 */
export interface RedisLink {
  readonly client: RedisClient;
  readonly isCluster: boolean;
  ask<T>(work: () => Promise<T>): Promise<T>;
  /** "open": nothing is asked at present. */
  breaker(): "closed" | "open";
  close(): Promise<void>;
}

export interface RedisLinkOptions {
  readonly client: RedisClient;
  /** Real time: Redis lives by it. */
  readonly clock: Pick<Clock, "monotonic" | "after">;
  readonly log: Log;
  readonly metrics?: Metrics;
}

export function createRedisLink(options: RedisLinkOptions): RedisLink {
  const { client, clock } = options;
  const breaker = createBreaker(options);
  /** The first attempt to connect: whoever comes before its end waits for it, within his limit. */
  let begins = true;
  const beginning = new Promise<void>((resolve) => {
    for (const event of ["ready", "close", "end", "error"]) client.once(event, () => resolve());
  }).then(() => {
    begins = false;
  });
  // Without a listener an error would end the process; commands and the breaker tell of it.
  client.on("error", (error: unknown) => breaker.note(error));
  client.on("ready", () => breaker.probeSoon());
  client.on("close", () => breaker.open("the connection was lost"));

  const ask = async <T>(work: () => Promise<T>): Promise<T> => {
    if (breaker.isOpen() && !begins) throw away(breaker.reason());
    try {
      return await within(clock, async () => {
        if (begins) await beginning;
        return work();
      });
    } catch (error) {
      if (isBug(error)) throw error;
      if (!isReply(error)) breaker.open(errorText(error));
      throw away(errorText(error));
    }
  };
  return {
    client,
    isCluster: client instanceof Cluster,
    ask,
    breaker: () => (breaker.isOpen() ? "open" : "closed"),
    async close() {
      breaker.close();
      client.disconnect();
    },
  };
}

function createBreaker({ client, clock, log, metrics }: RedisLinkOptions) {
  let reason: string | null = null;
  let lastError = "";
  let cancelProbe: (() => void) | null = null;
  let closed = false;
  let toldAt = Number.NEGATIVE_INFINITY;
  let isTold = false;
  const opens = metrics?.counter(
    "postern_redis_breaker_opens_total",
    "How often Redis was left alone because it did not answer.",
  );
  metrics?.gauge("postern_redis_up", "1 while Redis is asked.", () => (reason ? 0 : 1), "min");
  const probe = async () => {
    cancelProbe = null;
    try {
      await within(clock, () => pingAll(client));
      reason = null;
      if (isTold) log.info("redis-back");
      isTold = false;
    } catch {
      probeAfter(PROBE_EVERY_MS);
    }
  };
  const probeAfter = (ms: number) => {
    if (closed || reason === null) return;
    cancelProbe?.();
    cancelProbe = clock.after(ms, () => void probe());
  };
  return {
    isOpen: () => reason !== null,
    reason: () => reason ?? "",
    note(error: unknown) {
      lastError = errorText(error);
    },
    open(why: string) {
      if (reason !== null || closed) return;
      reason = lastError === "" ? why : `${why} (${lastError})`;
      lastError = "";
      opens?.add();
      if (!isTold && clock.monotonic() - toldAt > TELL_EVERY_MS) {
        log.warn("redis-away", { reason });
        toldAt = clock.monotonic();
        isTold = true;
      }
      probeAfter(PROBE_EVERY_MS);
    },
    probeSoon: () => probeAfter(0),
    close() {
      closed = true;
      cancelProbe?.();
    },
  };
}

/** All masters: of a cluster, one that is mute would cost every session that needs it. */
async function pingAll(client: RedisClient): Promise<void> {
  const nodes = client instanceof Cluster ? client.nodes("master") : [client];
  if (nodes.length === 0) throw away("no master is known");
  await Promise.all(nodes.map((node) => node.ping()));
}

/**
 * A timer that fires because this process was busy gives what has come meanwhile its turn: input is
 * read between timers and setImmediate.
 */
function within<T>(clock: Pick<Clock, "after">, work: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = () => reject(away(`no answer within ${COMMAND_LIMIT_MS} ms`));
    const cancel = clock.after(COMMAND_LIMIT_MS, () => void setImmediate(late));
    work().then(resolve, reject).finally(cancel);
  });
}

function away(reason: string): Unavailable {
  return new Unavailable("redis", reason);
}

/** Redis itself answered, with an error. */
function isReply(error: unknown): boolean {
  return error instanceof Error && error.name === "ReplyError";
}

function isBug(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError;
}
