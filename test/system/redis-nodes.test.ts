import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createRedisRateCounters } from "../../src/reputation/redis-rate-counters.ts";
import type { Reputation } from "../../src/reputation/reputation.ts";
import { toClientSubject } from "../../src/reputation/subjects.ts";
import { answered } from "../conformance/reputation-conformance.ts";
import { openRedisNode, openRedisReputation } from "../support/redis-reputation.ts";
import { noRedis, type RedisServer, startRedis } from "../support/redis-server.ts";
import { createSetClock } from "../support/set-clock.ts";
import { waitUntil } from "../support/wait-until.ts";

const TIMES = { delayMs: 60_000, windowMs: 3_600_000, passMs: 86_400_000 };
const ANN = toClientSubject("192.0.2.1");

describe("two nodes on one Redis", { skip: noRedis() }, () => {
  const clock = createSetClock();
  let server: RedisServer;
  let one: Reputation;
  let other: Reputation;
  before(async () => {
    server = await startRedis();
    one = openRedisReputation(server.url, clock);
    other = openRedisReputation(server.url, clock);
  });
  after(async () => {
    await Promise.all([one.close(), other.close()]);
    await server.stop();
  });

  test("a block of one holds for the other at once, and its end as well", async () => {
    const until = clock.now() + 1000;
    answered(await one.blocks.put({ key: "client:192.0.2.1", value: { reason: "SRL 8" }, until }));
    assert.equal(answered(await other.blocks.get(["client:192.0.2.1"])).length, 1);
    assert.equal(answered(await other.blocks.remove("client:192.0.2.1")), true);
    assert.equal(answered(await one.blocks.get(["client:192.0.2.1"])).length, 0);
  });

  test("who was told to come again by one passes at the other", async () => {
    assert.equal(answered(await one.greylist.touch("a", TIMES)).kind, "new");
    clock.pass(TIMES.delayMs);
    assert.equal(answered(await other.greylist.touch("a", TIMES)).kind, "passes");
    assert.equal(answered(await one.greylist.peek("a", TIMES)).kind, "passed");
  });

  test("a rate is one rate", async () => {
    const nodes = [openRedisNode(server.url), openRedisNode(server.url)];
    const limit = { capacity: 10, perHour: 1 };
    const counters = nodes.map(({ link, scripts }) =>
      createRedisRateCounters(link, scripts, clock),
    );
    const takes = Array.from({ length: 30 }, (_, i) => counters[i % 2]!.take("mail", 1, limit));
    assert.equal((await Promise.all(takes)).filter(({ taken }) => taken).length, 10);
    for (const { link } of nodes) await link.close();
  });

  test("what one learns of a client the other sees although it had just asked", async () => {
    answered(await other.look([ANN]));
    one.learn([{ subject: ANN, add: { spam: 3 } }]);
    await waitUntil(
      () => "it is not seen",
      async () => answered(await other.look([ANN]))[0]?.counts.spam === 3 || undefined,
    );
  });

  test("everything in Redis ends by itself", async () => {
    await one.greylist.touch("b", TIMES);
    await one.claim("c", 1000);
    await one.exceptions.put({ key: "d", value: 1, until: clock.now() + 5000 });
    one.exceptions.hit("d");
    one.learn([{ subject: ANN, helo: "mail.example.org", add: { ham: 1 } }]);
    await one.flush();
    const keys = await server.admin.keys("*");
    assert.ok(keys.length >= 6, keys.join(" "));
    for (const key of keys) assert.ok((await server.admin.pttl(key)) > 0, key);
  });
});
