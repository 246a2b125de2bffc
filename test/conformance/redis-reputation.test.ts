import { after, before, describe } from "node:test";
import { createRedisRateCounters } from "../../src/reputation/redis-rate-counters.ts";
import { openRedisNode, openRedisReputation, type RedisNode } from "../support/redis-reputation.ts";
import { noRedis, type RedisServer, startRedis } from "../support/redis-server.ts";
import { rateCountersConformance } from "./rate-counters-conformance.ts";
import { reputationConformance } from "./reputation-conformance.ts";

describe("reputation in Redis", { skip: noRedis() }, () => {
  let server: RedisServer;
  before(async () => {
    server = await startRedis();
  });
  after(() => server.stop());

  reputationConformance(async (clock) => {
    await server.admin.flushall();
    return openRedisReputation(server.url, clock);
  });
});

describe("counters in Redis", { skip: noRedis() }, () => {
  let server: RedisServer;
  let node: RedisNode;
  let tests = 0;
  before(async () => {
    server = await startRedis();
    node = openRedisNode(server.url);
  });
  after(async () => {
    await node.link.close();
    await server.stop();
  });

  rateCountersConformance((clock) => {
    const counters = createRedisRateCounters(node.link, node.scripts, clock);
    const name = `${tests++}`;
    return { take: (key, ...rest) => counters.take(`${name} ${key}`, ...rest) };
  });
});
