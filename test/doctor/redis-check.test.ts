import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { redisCheck } from "../../src/doctor/redis-check.ts";
import type { RedisSettings } from "../../src/reputation/redis-access.ts";
import { parseRedisUrl } from "../../src/reputation/redis-url.ts";
import { findFreeTcpPort } from "../support/free-port.ts";
import { noRedis, startRedis } from "../support/redis-server.ts";

function settingsOf(url: string, more: Partial<RedisSettings> = {}): RedisSettings {
  const address = parseRedisUrl(url);
  assert.ok(address);
  return { ...address, passwordFile: null, sentinelPasswordFile: null, ...more };
}

const check = (redis: RedisSettings | null) =>
  redisCheck({ redis, authorities: null, clock: createSystemClock() }).run();

test("without Redis there is nothing to say", async () => {
  assert.deepEqual(await check(null), []);
});

test("a Redis that does not answer is told with what works without it", async () => {
  const port = await findFreeTcpPort();
  const [finding] = await check(settingsOf(`redis://127.0.0.1:${port}`));
  assert.equal(finding?.status, "fail");
  assert.match(finding.detail, /ECONNREFUSED.*greylisting off/);
});

test("one that answers is told with its version and memory; a bad policy is a warning", {
  skip: noRedis(),
}, async () => {
  const server = await startRedis();
  const folder = await mkdtemp(join(tmpdir(), "postern-redis-"));
  try {
    await server.admin.config("SET", "requirepass", "a secret");
    const file = join(folder, "password");
    await writeFile(file, "a secret\nnot this\n");
    const settings = settingsOf(server.url, { passwordFile: file });
    const [good] = await check(settings);
    assert.equal(good?.status, "ok", good?.detail ?? "nothing");
    assert.match(good?.detail ?? "", /Redis \d+\.\d+.*answers in \d+ ms, \d+ MB used of no limit/);
    await server.admin.config("SET", "maxmemory", "64mb");
    await server.admin.config("SET", "maxmemory-policy", "volatile-ttl");
    const [bad] = await check(settings);
    assert.equal(bad?.status, "warn");
    assert.match(bad?.detail ?? "", /64|68.*volatile-lru/);
    const [refused] = await check(settingsOf(server.url));
    assert.equal(refused?.status, "fail");
    assert.match(refused?.detail ?? "", /NOAUTH|[Aa]uthentication/);
    await writeFile(file, "");
    await assert.rejects(check(settings), /expected a password on its first line/);
  } finally {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
});
