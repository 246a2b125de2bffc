import { createSystemClock } from "../../src/base/clock.ts";
import { createSilentLog } from "../../src/base/log.ts";
import { createRedisClient, type RedisAccess } from "../../src/reputation/redis-client.ts";
import { createRedisLink, type RedisLink } from "../../src/reputation/redis-link.ts";
import { createRedisReputation } from "../../src/reputation/redis-reputation.ts";
import { defineScripts, type RedisScripts } from "../../src/reputation/redis-scripts.ts";
import { parseRedisUrl } from "../../src/reputation/redis-url.ts";
import type { Reputation } from "../../src/reputation/reputation.ts";
import type { SetClock } from "./set-clock.ts";

export interface RedisNode {
  readonly link: RedisLink;
  readonly scripts: RedisScripts;
}

/** What one node of an installation has of its Redis. */
export function openRedisNode(url: string, more: Partial<RedisAccess> = {}): RedisNode {
  const address = parseRedisUrl(url);
  if (!address) throw new Error(`${url} is no address`);
  const client = createRedisClient({ ...address, tls: null, sentinelPassword: null, ...more });
  const link = createRedisLink({ client, clock: createSystemClock(), log: createSilentLog() });
  return { link, scripts: defineScripts(client) };
}

/** Closes its connection with itself. */
export function openRedisReputation(url: string, clock: SetClock): Reputation {
  const node = openRedisNode(url);
  const reputation = createRedisReputation({ ...node, clock, log: createSilentLog() });
  return {
    ...reputation,
    async close() {
      await reputation.close();
      await node.link.close();
    },
  };
}
