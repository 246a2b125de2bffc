import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { createSilentLog } from "../../src/base/log.ts";
import { createMemoryRateCounters } from "../../src/reputation/memory-rate-counters.ts";
import {
  createFallbackRateCounters,
  createRedisRateCounters,
} from "../../src/reputation/redis-rate-counters.ts";
import { createRedisReputation } from "../../src/reputation/redis-reputation.ts";
import { reputationConformance } from "../conformance/reputation-conformance.ts";
import { type CallLog, createCallLog } from "../support/call-log.ts";
import { type RedisCluster, startRedisCluster } from "../support/redis-cluster.ts";
import { openRedisNode, openRedisReputation } from "../support/redis-reputation.ts";
import { type RedisSentinel, startRedisSentinel } from "../support/redis-sentinel.ts";
import { noRedis } from "../support/redis-server.ts";
import { type ReputationLoad, startReputationLoad } from "../support/reputation-load.ts";
import { waitUntil } from "../support/wait-until.ts";

/** The issue: no session waits longer. */
const SESSION_MS = 300;
/** A failover and what follows, on a machine that does other things as well. */
const FAILOVER_LIMIT_MS = 30_000;

interface Scene {
  readonly calls: CallLog;
  readonly load: ReputationLoad;
  /** Until all that a session asks was answered, in calls that began from now on. */
  known(): Promise<void>;
  /** No session that began since waited longer than it may. */
  assertSessions(from: number): void;
}

async function underLoad(url: string, work: (scene: Scene) => Promise<void>): Promise<void> {
  const node = openRedisNode(url, { hurried: true });
  const clock = createSystemClock();
  const reputation = createRedisReputation({ ...node, clock, log: createSilentLog() });
  const calls = createCallLog();
  const shared = createRedisRateCounters(node.link, node.scripts, clock);
  const counters = createFallbackRateCounters(shared, createMemoryRateCounters(clock));
  const load = startReputationLoad(reputation, counters, calls);
  const known = async () => {
    const from = performance.now();
    const isKnown = (name: string) =>
      calls.calls.some((one) => one.name === name && one.kind === "known" && one.began > from);
    await waitUntil(
      () => `no answers from ${url}`,
      () => ["look", "blocks", "greylist"].every(isKnown) || undefined,
      FAILOVER_LIMIT_MS,
    );
  };
  const assertSessions = (from: number) => {
    const slowest = load.sessions.filter(({ began }) => began >= from).map(({ ms }) => ms);
    assert.ok(slowest.length > 0);
    calls.assertNoLongerThan(Math.max(...slowest), SESSION_MS);
  };
  try {
    await known();
    await work({ calls, load, known, assertSessions });
  } finally {
    await load.stop();
    calls.stop();
    await reputation.close();
    await node.link.close();
  }
}

describe("a Cluster of three nodes", { skip: noRedis() }, () => {
  let cluster: RedisCluster;
  before(async () => {
    cluster = await startRedisCluster();
  });
  after(() => cluster.stop());

  reputationConformance(async (clock) => {
    await cluster.flush();
    return openRedisReputation(cluster.url, clock);
  });

  test("keys lie on all nodes", async () => {
    await underLoad(cluster.url, async () => {
      await waitUntil(
        () => "a node has no key",
        async () => {
          const sizes = await Promise.all(cluster.nodes.map(({ admin }) => admin.dbsize()));
          return sizes.every((size) => size > 0) || undefined;
        },
      );
    });
  });

  test("one node stopped or killed and back again: no session waits, and all is used again", async () => {
    await underLoad(cluster.url, async ({ calls, known, assertSessions }) => {
      const [node] = cluster.nodes;
      assert.ok(node);
      for (const [fault, cure] of [
        [() => node.pause(), () => node.resume()],
        [() => node.kill(), () => node.restart()],
      ] as const) {
        const from = performance.now();
        await fault();
        await waitUntil(
          () => "nobody noticed",
          () => calls.calls.some((one) => one.began > from && one.kind === "unknown") || undefined,
        );
        await cure();
        await known();
        assertSessions(from);
      }
    });
  });
});

describe("a master that its sentinel replaces", { skip: noRedis() }, () => {
  let sentinel: RedisSentinel;
  before(async () => {
    sentinel = await startRedisSentinel();
  });
  after(() => sentinel.stop());

  test("no session waits, and the new master is used", async () => {
    await underLoad(sentinel.url, async ({ known, assertSessions }) => {
      const from = performance.now();
      await sentinel.master.kill();
      await waitUntil(
        () => "the replica does not become master",
        async () =>
          (await sentinel.replica.admin.info("replication")).includes("role:master") || undefined,
        FAILOVER_LIMIT_MS,
      );
      await known();
      assertSessions(from);
      assert.ok((await sentinel.replica.admin.dbsize()) > 0);
    });
  });
});
