import { join } from "node:path";
import { createSystemClock } from "./base/clock.ts";
import type { Ground } from "./compose-ground.ts";
import type { RateCounters } from "./reputation/rate-counters.ts";
import { readRedisAccess } from "./reputation/redis-access.ts";
import { createRedisClient } from "./reputation/redis-client.ts";
import { createRedisLink } from "./reputation/redis-link.ts";
import {
  createFallbackRateCounters,
  createRedisRateCounters,
} from "./reputation/redis-rate-counters.ts";
import { createRedisReputation } from "./reputation/redis-reputation.ts";
import { defineScripts } from "./reputation/redis-scripts.ts";
import type { Reputation } from "./reputation/reputation.ts";
import { createSqliteReputation } from "./reputation/sqlite-reputation.ts";

/** What processes, and with Redis nodes, know together of those who send. */
export interface ReputationStores {
  readonly reputation: Reputation;
  /** The counters of all nodes, or without Redis, and while it is away, those given. */
  countersBeside(own: RateCounters): RateCounters;
}

/** In each process that asks: they meet in the file, or in Redis. Throws when a file that Redis needs is wrong. */
export function openReputation(stack: AsyncDisposableStack, ground: Ground): ReputationStores {
  const { settings, clock, log, metrics } = ground;
  if (settings.redis === null) {
    const folder = join(settings.dataDir, "reputation");
    const reputation = createSqliteReputation({ folder, clock, log, metrics });
    stack.defer(() => reputation.close());
    return { reputation, countersBeside: (own) => own };
  }
  const client = createRedisClient(readRedisAccess(settings.redis, settings.authorities));
  const link = createRedisLink({ client, clock: createSystemClock(), log, metrics });
  stack.defer(() => link.close());
  const scripts = defineScripts(client);
  const reputation = createRedisReputation({ link, scripts, clock, log, metrics });
  stack.defer(() => reputation.close());
  const shared = createRedisRateCounters(link, scripts, clock);
  return { reputation, countersBeside: (own) => createFallbackRateCounters(shared, own) };
}
