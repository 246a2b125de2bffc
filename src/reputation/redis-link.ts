import { Cluster } from "ioredis";
import type { Clock } from "../base/clock.ts";
import { errorText, Unavailable } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Metrics } from "../base/metrics.ts";
import { createRedisBreaker } from "./redis-breaker.ts";
import { COMMAND_LIMIT_MS, type RedisClient } from "./redis-client.ts";

/**
 * One Redis as its users see it: an answer within COMMAND_LIMIT_MS, or Unavailable. The breaker opens
 * at the first command without an answer; from then on nothing is sent and nobody waits, until a
 * probe of ours is answered. An error that Redis answers (full, loading) is Unavailable as well and
 * opens nothing, since it costs no time.
 */
export interface RedisLink {
  readonly client: RedisClient;
  /** `limitMs`: of what nobody waits for. */
  ask<T>(work: () => Promise<T>, limitMs?: number): Promise<T>;
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
  /** Of one command; default: COMMAND_LIMIT_MS. */
  readonly limitMs?: number;
}

export function createRedisLink(options: RedisLinkOptions): RedisLink {
  const { client, clock, log, metrics, limitMs: commandMs = COMMAND_LIMIT_MS } = options;
  const probe = () => within(clock, commandMs, () => pingAll(client));
  const breaker = createRedisBreaker({ clock, log, metrics, probe });
  let begins = true;
  /** The first attempt to connect: whoever comes before its end waits for it, within his limit. */
  const beginning = new Promise<void>((resolve) => {
    for (const event of ["ready", "close", "end", "error"]) client.once(event, () => resolve());
  }).then(() => {
    begins = false;
  });
  let lastError = "";
  // Without a listener an error would end the process.
  client.on("error", (error: unknown) => {
    lastError = errorText(error);
  });
  client.on("ready", () => breaker.probeSoon());
  client.on("close", () => breaker.open(lastError || "the connection was lost"));
  return {
    client,
    async ask(work, limitMs = commandMs) {
      const reason = breaker.reason();
      if (reason !== null) throw away(reason);
      try {
        return await within(clock, limitMs, async () => {
          if (begins) await beginning;
          return work();
        });
      } catch (error) {
        if (isBug(error)) throw error;
        if (!isReply(error)) breaker.open(errorText(error));
        throw away(errorText(error));
      }
    },
    breaker: () => (breaker.reason() === null ? "closed" : "open"),
    async close() {
      breaker.end();
      client.disconnect();
    },
  };
}

/** All masters: of a Cluster, one that is mute would cost every session that needs it. */
async function pingAll(client: RedisClient): Promise<void> {
  const nodes = client instanceof Cluster ? client.nodes("master") : [client];
  if (nodes.length === 0) throw away("no master is known");
  await Promise.all(nodes.map((node) => node.ping()));
}

/**
 * A timer that fires because this process was busy gives what has come meanwhile its turn: input is
 * read between timers and setImmediate.
 */
function within<T>(
  clock: Pick<Clock, "after">,
  limitMs: number,
  work: () => Promise<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = () => reject(away(`no answer within ${limitMs} ms`));
    const cancel = clock.after(limitMs, () => void setImmediate(late));
    work().then(resolve, reject).finally(cancel);
  });
}

function away(reason: string): Unavailable {
  return reason.startsWith("redis: ")
    ? new Unavailable("redis", reason.slice("redis: ".length))
    : new Unavailable("redis", reason);
}

/** Redis itself answered, with an error. */
function isReply(error: unknown): boolean {
  return error instanceof Error && error.name === "ReplyError";
}

function isBug(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError;
}
