import assert from "node:assert/strict";
import { test } from "node:test";
import { HubPool } from "../../../src/relay/hubs/hub-pool.ts";
import type { SmtpConnection } from "../../../src/smtp/smtp-client.ts";
import { createFakeClock } from "../../support/fake-clock.ts";

const NEVER = new AbortController().signal;

interface Probe extends SmtpConnection {
  isOpen: boolean;
}

function fakeConnection(): Probe {
  const connection: Probe = {
    isOpen: true,
    capabilities: {
      eightBitMime: true,
      smtpUtf8: true,
      dsn: false,
      pipelining: true,
      maxBytes: null,
      sizeOffered: false,
    },
    tls: null,
    address: "127.0.0.1",
    send: () => Promise.reject(new Error("not here")),
    probe: () => Promise.reject(new Error("not here")),
    usable: () => connection.isOpen,
    quit: async () => connection.close(),
    close() {
      connection.isOpen = false;
    },
  };
  return connection;
}

function openPool(options: { messagesPerConnection?: number; onEmpty?: () => void } = {}) {
  const clock = createFakeClock();
  const made: Probe[] = [];
  const open = async () => {
    const connection = fakeConnection();
    made.push(connection);
    return { kind: "connected", connection } as const;
  };
  return { clock, made, pool: new HubPool({ clock, open, idleMs: 1000, ...options }) };
}

async function take(pool: HubPool, most = 1, isFresh = false): Promise<SmtpConnection> {
  const got = await pool.acquire(most, isFresh, NEVER);
  assert.ok(got.kind === "ready");
  return got.connection;
}

test("a released connection is used again, and closed when it was idle too long", async () => {
  const { clock, made, pool } = openPool();
  const first = await take(pool);
  pool.release(first);
  await clock.advance(999);
  assert.equal(await take(pool), first);
  pool.release(first);
  await clock.advance(1000);
  assert.equal(made[0]?.isOpen, false);
  assert.equal(pool.size, 0);
});

test("a connection in use is never ended for the time it was idle before, and none leaves a timer", async () => {
  const { clock, made, pool } = openPool();
  const first = await take(pool);
  pool.release(first);
  await clock.advance(900);
  assert.equal(await take(pool), first);
  await clock.advance(5000);
  assert.equal(made[0]?.isOpen, true);
  pool.release(first);
  await clock.advance(999);
  assert.equal(made[0]?.isOpen, true);
  await clock.advance(1);
  assert.equal(made[0]?.isOpen, false);
  pool.release(await take(pool));
  pool.close();
  assert.equal(clock.pendingTimers(), 0);
});

test("a connection ends after its share of messages", async () => {
  const { made, pool } = openPool({ messagesPerConnection: 2 });
  for (let i = 0; i < 4; i++) pool.release(await take(pool));
  assert.equal(made.length, 2);
});

test("a connection that died while it was idle is not given out", async () => {
  const { made, pool } = openPool();
  pool.release(await take(pool));
  made[0]?.close();
  await take(pool);
  assert.equal(made.length, 2);
  assert.equal(pool.size, 1);
});

test("a fresh one replaces an idle one when there may be no more", async () => {
  const { made, pool } = openPool();
  pool.release(await take(pool));
  await take(pool, 1, true);
  assert.deepEqual(
    made.map(({ isOpen }) => isOpen),
    [false, true],
  );
});

test("whoever waits gets the next connection, in order; one who left loses nobody's turn", async () => {
  const { pool } = openPool();
  const only = await take(pool);
  const leaving = new AbortController();
  const first = pool.acquire(1, false, leaving.signal);
  const second = take(pool);
  leaving.abort(new Error("gone"));
  pool.release(only);
  assert.deepEqual(await first, { kind: "busy", reason: "gone" });
  assert.equal(await second, only);
});

test("a failed opening lets the next one try", async () => {
  const clock = createFakeClock();
  let opened = 0;
  const open = async () => {
    opened += 1;
    await new Promise((resolve) => setImmediate(resolve));
    return { kind: "failed", reason: "refused", reply: null } as const;
  };
  const pool = new HubPool({ clock, open });
  const attempts = [1, 2, 3].map(() => pool.acquire(1, false, NEVER));
  for (const { kind } of await Promise.all(attempts)) assert.equal(kind, "failed");
  assert.equal(opened, 3);
  assert.equal(pool.size, 0);
});

test("a closed pool ends its connections and gives out none", async () => {
  const { made, pool } = openPool();
  await take(pool);
  const waiting = pool.acquire(1, false, NEVER);
  pool.close();
  assert.deepEqual(await waiting, { kind: "busy", reason: "the pool is closed" });
  assert.equal(made[0]?.isOpen, false);
  assert.equal((await pool.acquire(1, false, NEVER)).kind, "busy");
});

test("a pool says when it has no connection and nobody waits for one", async () => {
  let told = 0;
  const { made, pool } = openPool({
    onEmpty: () => {
      told += 1;
    },
  });
  const first = await take(pool);
  const waiting = take(pool);
  made[0]?.close();
  pool.release(first);
  const second = await waiting;
  assert.equal(told, 0);
  made[1]?.close();
  pool.release(second);
  assert.equal(told, 1);
});
