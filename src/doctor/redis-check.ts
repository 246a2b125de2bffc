import { type Clock, pause } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import { type RedisSettings, readRedisAccess } from "../reputation/redis-access.ts";
import { createRedisClient, type RedisClient } from "../reputation/redis-client.ts";
import { type RedisReport, reportRedis } from "../reputation/redis-report.ts";
import { formatRedisPlace } from "../reputation/redis-url.ts";
import type { DoctorCheck, Finding } from "./doctor.ts";

export interface RedisCheckInput {
  readonly redis: RedisSettings | null;
  readonly authorities: string | null;
  readonly clock: Clock;
}

/** A name that needs DNS, TLS and a log-on are through by then. */
const CONNECT_LIMIT_MS = 3000;
const POLL_MS = 20;
/** What of the limit may be used before an operator should hear of it. */
const FULL_SHARE = 0.9;
/** These forget whatever ends soonest, or anything: blocks end before what is known of good senders. */
const BAD_POLICIES: ReadonlySet<string> = new Set([
  "volatile-ttl",
  "volatile-random",
  "allkeys-random",
]);

/** Whether Redis answers, and whether it would keep what it is given. Nothing to say without one. */
export function redisCheck({ redis, authorities, clock }: RedisCheckInput): DoctorCheck {
  return {
    name: "redis",
    async run() {
      if (!redis) return [];
      const subject = formatRedisPlace(redis);
      const client = createRedisClient(readRedisAccess(redis, authorities));
      let lastError = "";
      client.on("error", (error: unknown) => {
        lastError = errorText(error);
      });
      try {
        const isReady = await connected(client, clock);
        if (!isReady) return [toFailure(subject, lastError || "no answer")];
        const began = clock.monotonic();
        await client.ping();
        const ms = Math.max(1, Math.round(clock.monotonic() - began));
        const reports = await reportRedis(client);
        return reports.map((report) => toFinding(subject, report, ms));
      } catch (error) {
        return [toFailure(subject, errorText(error))];
      } finally {
        client.disconnect();
      }
    },
  };
}

async function connected(client: RedisClient, clock: Clock): Promise<boolean> {
  const end = clock.monotonic() + CONNECT_LIMIT_MS;
  while (client.status !== "ready" && clock.monotonic() < end) await pause(clock, POLL_MS);
  return client.status === "ready";
}

function toFailure(subject: string, reason: string): Finding {
  const detail = `${reason}: reputation is neutral, greylisting off, rates count by node`;
  return { subject, status: "fail", detail };
}

function toFinding(
  subject: string,
  { server, version, usedBytes, mostBytes, policy }: RedisReport,
  ms: number,
): Finding {
  const limit = mostBytes === 0 ? "no limit" : `${toMegabytes(mostBytes)} MB, ${policy}`;
  const about = `${server}, Redis ${version}, answers in ${ms} ms, ${toMegabytes(usedBytes)} MB used of ${limit}`;
  if (mostBytes > 0 && policy === "noeviction" && usedBytes > mostBytes * FULL_SHARE)
    return { subject, status: "warn", detail: `${about}: it is about to refuse what is written` };
  if (mostBytes > 0 && BAD_POLICIES.has(policy)) {
    const detail = `${about}: when it is full it may forget blocks first; better volatile-lru`;
    return { subject, status: "warn", detail };
  }
  return { subject, status: "ok", detail: about };
}

function toMegabytes(bytes: number): number {
  return Math.ceil(bytes / 1_000_000);
}
