import { Cluster } from "ioredis";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Metrics } from "../base/metrics.ts";
import { WRITE_LIMIT_MS } from "./redis-client.ts";
import { toKey } from "./redis-keys.ts";
import type { RedisLink } from "./redis-link.ts";
import { createRedisGreylist, createRedisShelf, toHitCall } from "./redis-lists.ts";
import { decodeRecord } from "./redis-record.ts";
import type { RedisScripts, ScriptCall } from "./redis-scripts.ts";
import { COUNTERS, type Reputation, type Subject } from "./reputation.ts";
import type { LearnedBatch, ReputationBackend } from "./reputation-backend.ts";
import { createStoredReputation } from "./stored-reputation.ts";
import {
  HALF_LIFE_MS,
  HELO_LIFE_MS,
  HELO_NAME_LENGTH,
  HELO_NAMES,
  type Learned,
  RECORD_LIFE_MS,
} from "./subject-record.ts";
import { subjectText } from "./subjects.ts";

/**
 * How old what we judge a busy client by may be. With the delay of writes (lesson-queue.ts) what one
 * node learns is seen by the others within a second.
 */
const HOT_MS = 750;
/** Lessons of one round trip. */
const BITE = 100;

export interface RedisReputationOptions {
  readonly link: RedisLink;
  readonly scripts: RedisScripts;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics?: Metrics;
  readonly halfLifeMs?: number;
}

/** Shared by all nodes with this Redis. Closing it leaves the link to its owner. */
export function createRedisReputation(options: RedisReputationOptions): Reputation {
  const { link, scripts, clock, log, metrics, halfLifeMs = HALF_LIFE_MS } = options;
  const deps = { link, scripts, halfLifeMs };
  const backend: ReputationBackend = {
    read: (subjects) => link.ask(() => read(link, subjects)),
    write: (batch) => write(deps, batch),
    forget: (subjects) => link.ask(() => forget(link, subjects)),
    claim: async (id, now, forMs) =>
      (await link.ask(() => scripts.run("claim", toKey("claim", id), now, forMs))) === 1,
    greylist: createRedisGreylist(deps),
    shelf: createRedisShelf(deps),
    async close() {},
  };
  const about = { clock, log, halfLifeMs, store: "redis", hotMs: HOT_MS };
  return createStoredReputation(backend, { ...about, ...(metrics && { metrics }) });
}

function keyOf(subject: Subject): string {
  return toKey("rep", subjectText(subject));
}

async function read({ client }: RedisLink, subjects: readonly Subject[]) {
  const keys = subjects.map(keyOf);
  // Keys of a Cluster lie on several nodes, and one command asks one.
  const stored =
    client instanceof Cluster
      ? await Promise.all(keys.map((key) => client.getBuffer(key)))
      : await client.mgetBuffer(keys);
  return stored.map(decodeRecord);
}

async function forget({ client }: RedisLink, subjects: readonly Subject[]): Promise<number> {
  const counts = await Promise.all(subjects.map((subject) => client.unlink(keyOf(subject))));
  return counts.reduce((sum, count) => sum + count, 0);
}

interface Deps {
  readonly link: RedisLink;
  readonly scripts: RedisScripts;
  readonly halfLifeMs: number;
}

/** In bites, so that a batch of any size is within the limit; what failed is not tried again. */
async function write(deps: Deps, { subjects, hits, now }: LearnedBatch): Promise<void> {
  const { link, scripts } = deps;
  const calls = [
    ...subjects.map(({ subject, learned }) => toCall(deps, subject, learned, now)),
    ...hits.map((hit) => toHitCall(hit, now)),
  ];
  for (let i = 0; i < calls.length; i += BITE)
    await link.ask(() => scripts.runAll(calls.slice(i, i + BITE)), WRITE_LIMIT_MS);
}

function toCall(
  { halfLifeMs }: Pick<Deps, "halfLifeMs">,
  subject: Subject,
  { add = {}, helos }: Learned,
  now: number,
): ScriptCall {
  const names = helos.map((name) => name.toLowerCase().slice(0, HELO_NAME_LENGTH));
  const gains = COUNTERS.map((name) => add[name] ?? 0);
  const times = [now, halfLifeMs, RECORD_LIFE_MS, HELO_LIFE_MS];
  const args = [keyOf(subject), ...times, HELO_NAMES, gains.length, ...gains, ...names];
  return { name: "learn", args };
}
