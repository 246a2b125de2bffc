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

/** For what is not about time: this machine may be busy for longer than a session would wait. */
const PATIENCE_MS = 30_000;

/** What one node of an installation has of its Redis. `hurried`: as in the product. */
export function openRedisNode(
  url: string,
  more: Partial<RedisAccess> & { readonly hurried?: boolean } = {},
): RedisNode {
  const address = parseRedisUrl(url);
  if (!address) throw new Error(`${url} is no address`);
  const { hurried = false, ...access } = more;
  const limit = hurried ? {} : { limitMs: PATIENCE_MS };
  const client = createRedisClient({ ...address, tls: null, sentinelPassword: null, ...access });
  const link = createRedisLink({
    client,
    clock: createSystemClock(),
    log: createSilentLog(),
    ...limit,
  });
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
