import { errorText, type Problem } from "../base/errors.ts";
import { wholeFile } from "../policy/problems.ts";
import { type RedisSettings, readRedisAccess } from "../reputation/redis-access.ts";
import { formatRedisPlace } from "../reputation/redis-url.ts";
import type { Warning } from "./check-listeners.ts";

/** Opens the files that Redis needs; whether it answers is for `doctor`. */
export function checkRedis(redis: RedisSettings | null): readonly Problem[] {
  if (!redis) return [];
  try {
    readRedisAccess(redis, null);
    return [];
  } catch (error) {
    const file = redis.passwordFile ?? redis.sentinelPasswordFile ?? "redis";
    return [wholeFile(file, errorText(error))];
  }
}

/** A password that crosses a network in the clear. */
export function warnOfRedis(redis: RedisSettings | null): readonly Warning[] {
  if (!redis || redis.tls) return [];
  const { place } = redis;
  const servers = place.kind === "single" ? [place.server] : place.servers;
  const isLocal = servers.every(({ host }) => /^(?:127\.|::1$|localhost$)/.test(host));
  const hasPassword = redis.password !== null || redis.passwordFile !== null;
  if (isLocal || !hasPassword) return [];
  const message = "its password goes over the network as it is; rediss:// uses TLS";
  return [{ subject: "redis", message }];
}

export function redisLine(redis: RedisSettings | null): string {
  return redis ? formatRedisPlace(redis) : "none: reputation is kept in the data folder";
}
