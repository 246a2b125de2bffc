import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { createSilentLog } from "../../src/base/log.ts";
import { createMemoryRateCounters } from "../../src/reputation/memory-rate-counters.ts";
import { createMemoryReputation } from "../../src/reputation/memory-reputation.ts";
import { createRedisRateCounters } from "../../src/reputation/redis-rate-counters.ts";
import { createRedisReputation } from "../../src/reputation/redis-reputation.ts";
import { COUNTERS, type Reputation, type SubjectRecord } from "../../src/reputation/reputation.ts";
import { toClientSubject } from "../../src/reputation/subjects.ts";
import { openRedisNode, type RedisNode } from "../support/redis-reputation.ts";
import { noRedis, type RedisServer, startRedis } from "../support/redis-server.ts";
import { createSetClock, type SetClock } from "../support/set-clock.ts";
import { answered } from "./reputation-conformance.ts";

const FULL = process.env.POSTERN_TEST_FULL === "1";
const RUNS = { numRuns: FULL ? 2000 : 30 };
const SUBJECTS = ["192.0.2.1", "192.0.2.2"].map(toClientSubject);
const TIMES = { delayMs: 60_000, windowMs: 600_000, passMs: 3_600_000 };
const HOUR_S = 3600;

type Act =
  | { readonly kind: "pass"; readonly seconds: number }
  | {
      readonly kind: "learn";
      readonly subject: number;
      readonly counter: number;
      readonly amount: number;
      readonly helo: string | null;
    }
  | { readonly kind: "forget"; readonly subject: number }
  | { readonly kind: "touch" | "allow" | "forget-key" | "claim"; readonly key: string };

const key = fc.constantFrom("a", "b");
const acts = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant("pass" as const),
      seconds: fc.integer({ min: 0, max: 2 * HOUR_S }),
    }),
    fc.record({
      kind: fc.constant("pass" as const),
      seconds: fc.integer({ min: 0, max: 40 * 24 * HOUR_S }),
    }),
    fc.record({
      kind: fc.constant("learn" as const),
      subject: fc.nat(1),
      counter: fc.nat(COUNTERS.length - 1),
      amount: fc.integer({ min: -5, max: 20 }),
      helo: fc.option(fc.constantFrom("a.example", "B.example", "c.example", "ä.example")),
    }),
    fc.record({ kind: fc.constant("forget" as const), subject: fc.nat(1) }),
    fc.record({ kind: fc.constantFrom("touch", "touch", "allow", "forget-key", "claim"), key }),
  ) as fc.Arbitrary<Act>,
  { maxLength: 40 },
);

/** Every script is the twin of a function of ours: whatever happens, both answer the same. */
describe("what runs in Redis", { skip: noRedis() }, () => {
  let server: RedisServer;
  let node: RedisNode;
  before(async () => {
    server = await startRedis();
    node = openRedisNode(server.url);
  });
  after(async () => {
    await node.link.close();
    await server.stop();
  });

  test("knows of senders and greylisted mail what a store in memory knows", async () => {
    await fc.assert(
      fc.asyncProperty(acts, async (script) => {
        await server.admin.flushall();
        const clock = createSetClock();
        const redis = createRedisReputation({ ...node, clock, log: createSilentLog() });
        const memory = createMemoryReputation(clock);
        for (const act of script)
          assert.deepEqual(await perform(redis, act, clock), await perform(memory, act, null));
        const [ours, theirs] = await Promise.all([memory.look(SUBJECTS), redis.look(SUBJECTS)]);
        for (const [i, record] of answered(ours).entries())
          assertLike(answered(theirs)[i] ?? null, record);
        for (const one of ["a", "b"])
          assert.deepEqual(
            await redis.greylist.peek(one, TIMES),
            await memory.greylist.peek(one, TIMES),
          );
        await redis.close();
      }),
      RUNS,
    );
  });

  test("counts rates as counters in memory do", async () => {
    const takes = fc.array(
      fc.record({
        ms: fc.integer({ min: 0, max: 900_000 }),
        amount: fc.integer({ min: 0, max: 6 }),
        capacity: fc.integer({ min: 1, max: 12 }),
        perHour: fc.integer({ min: 1, max: 40 }),
      }),
      { maxLength: 40 },
    );
    await fc.assert(
      fc.asyncProperty(takes, async (script) => {
        await server.admin.flushall();
        const clock = createSetClock(0);
        const shared = createRedisRateCounters(node.link, node.scripts, clock);
        const own = createMemoryRateCounters({ monotonic: () => clock.now() });
        for (const { ms, amount, ...limit } of script) {
          clock.pass(ms);
          assert.deepEqual(
            await shared.take("a", amount, limit),
            await own.take("a", amount, limit),
          );
        }
      }),
      RUNS,
    );
  });
});

/** `clock`: null where the other has moved it already. */
async function perform(store: Reputation, act: Act, clock: SetClock | null): Promise<unknown> {
  switch (act.kind) {
    case "pass":
      return clock?.pass(act.seconds * 1000) ?? undefined;
    case "learn": {
      const subject = SUBJECTS[act.subject]!;
      const add = { [COUNTERS[act.counter]!]: act.amount };
      store.learn([{ subject, add, ...(act.helo !== null && { helo: act.helo }) }]);
      return store.flush();
    }
    case "forget":
      return store.forget([SUBJECTS[act.subject]!]).then(() => undefined);
    case "touch":
      return store.greylist.touch(act.key, TIMES);
    case "allow":
      return store.greylist.allow(act.key, TIMES);
    case "forget-key":
      return store.greylist.forget(act.key);
    case "claim":
      return store.claim(act.key, HOUR_S * 1000);
  }
}

/** Redis keeps counters in four octets. */
function assertLike(theirs: SubjectRecord | null, ours: SubjectRecord | null): void {
  assert.deepEqual(theirs && { ...theirs, counts: null }, ours && { ...ours, counts: null });
  if (!theirs || !ours) return;
  for (const name of COUNTERS) {
    const a: number = theirs.counts[name];
    const b: number = ours.counts[name];
    assert.ok(Math.abs(a - b) < 0.002, `${name}: ${a} in Redis, ${b} here`);
  }
}
