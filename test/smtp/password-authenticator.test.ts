import assert from "node:assert/strict";
import { test } from "node:test";
import { createLog } from "../../src/base/log.ts";
import { createMetrics } from "../../src/base/metrics.ts";
import { hashPassword, type PasswordHash } from "../../src/base/password-hash.ts";
import { createQuerySlots } from "../../src/net/query-slots.ts";
import type { LogonFailures } from "../../src/smtp/authenticator.ts";
import { createPasswordAuthenticator } from "../../src/smtp/password-authenticator.ts";
import type { UserTable } from "../../src/smtp/user-table.ts";
import { createFakeClock } from "../support/fake-clock.ts";

const HASH: PasswordHash = await hashPassword("secret");
const LISTENER = { name: "inside", kind: "hub", hostname: "mx.test" } as const;
const CLIENT = { ip: "192.0.2.1", listener: LISTENER };

interface World {
  readonly failures?: Partial<LogonFailures>;
  /** At once, and waiting. */
  readonly slots?: readonly [number, number];
}

function createWorld({ failures, slots = [1, 10] }: World = {}) {
  const looked: string[] = [];
  const log: string[] = [];
  const counted: string[] = [];
  const users: UserTable = {
    find: (name) => (name.toLowerCase() === "alice" ? { name: "Alice", hash: HASH } : null),
    get decoy() {
      looked.push("decoy");
      return HASH;
    },
    size: 1,
  };
  const metrics = createMetrics();
  const authenticator = createPasswordAuthenticator({
    users: () => users,
    failures: {
      isBlocked: async () => false,
      async add(ip, user) {
        counted.push(user === null ? ip : `${ip} ${user}`);
        return { isGuessed: false };
      },
      ...failures,
    },
    slots: createQuerySlots(...slots),
    clock: createFakeClock(),
    log: createLog({ level: "info", format: "json", write: (line) => void log.push(line) }),
    logons: metrics.counter("logons", "x", ["listener", "outcome"]),
  });
  const { signal } = new AbortController();
  const logOn = (name: string, password: string, until = signal) =>
    authenticator.logOn({ client: CLIENT, name, password }, until);
  return { logOn, looked, log, counted };
}

test("the right password is accepted, under the name that the operator wrote", async () => {
  const { logOn, counted } = createWorld();
  assert.deepEqual(await logOn("ALICE", "secret"), { kind: "accepted", user: "Alice" });
  assert.deepEqual(counted, []);
});

test("a wrong password is refused and counts for the address", async () => {
  const { logOn, counted } = createWorld();
  assert.deepEqual(await logOn("alice", "Secret"), { kind: "refused" });
  assert.deepEqual(counted, ["192.0.2.1 Alice"]);
});

test("for a name that nobody has a decoy is looked at, and even its password opens nothing", async () => {
  const { logOn, looked } = createWorld();
  assert.deepEqual(await logOn("mallory", "secret"), { kind: "refused" });
  assert.deepEqual(looked, ["decoy"]);
});

test("an address that has failed too often is not looked at", async () => {
  const { logOn, looked, counted } = createWorld({ failures: { isBlocked: async () => true } });
  assert.deepEqual(await logOn("mallory", "secret"), { kind: "blocked" });
  assert.deepEqual(looked, []);
  assert.deepEqual(counted, []);
});

test("when nobody knows how often an address has failed, nobody logs on", async () => {
  const isBlocked = () => Promise.reject(new Error("away"));
  const { logOn, log } = createWorld({ failures: { isBlocked } });
  assert.deepEqual(await logOn("alice", "secret"), { kind: "unavailable" });
  assert.match(log.join(""), /"reason":"away".*"event":"logon-unavailable"/);
});

test("only so many are looked at together; who finds no place is told to come again", async () => {
  const { logOn } = createWorld({ slots: [1, 1] });
  const kinds = (
    await Promise.all([1, 2, 3].map(async () => (await logOn("alice", "secret")).kind))
  ).toSorted();
  assert.deepEqual(kinds, ["accepted", "accepted", "unavailable"]);
});

test("of many guesses that come at once no more are looked at than of those one by one", async () => {
  let failed = 0;
  const failures: LogonFailures = {
    isBlocked: async () => failed >= 2,
    async add() {
      failed += 1;
      return { isGuessed: false };
    },
  };
  const { logOn, looked } = createWorld({ failures, slots: [1, 50] });
  const all = await Promise.all(Array.from({ length: 12 }, (_, i) => logOn("mallory", `${i}`)));
  assert.equal(all.filter(({ kind }) => kind === "blocked").length, 10);
  assert.equal(looked.length, 2);
});

test("right passwords that come at once cost their address nothing", async () => {
  const { logOn, counted } = createWorld({ slots: [1, 50] });
  const all = await Promise.all([1, 2, 3, 4].map(() => logOn("alice", "secret")));
  assert.ok(all.every(({ kind }) => kind === "accepted"));
  assert.deepEqual(counted, []);
});

test("who leaves gives up his place in the line", async () => {
  const { logOn } = createWorld({ slots: [1, 5] });
  const gone = new AbortController();
  const first = logOn("alice", "secret");
  const second = logOn("alice", "secret", gone.signal);
  gone.abort();
  assert.equal((await second).kind, "unavailable");
  assert.equal((await first).kind, "accepted");
});

test("no password is logged, and the name of a failure only escaped and cut", async () => {
  const { logOn, log } = createWorld();
  await logOn("alice", "secret");
  await logOn(`\u202eali\nce${"x".repeat(300)}`, "hunter2");
  const text = log.join("");
  assert.doesNotMatch(text, /secret|hunter2/);
  assert.ok(!text.includes("\u202e"));
  assert.match(text, /"event":"logon"/);
  const failed = log.find((line) => line.includes("logon-failed")) ?? "";
  assert.equal(failed.split("\n").length, 2, "one line");
  assert.match(failed, /"name":"\\u202eali\\nce/);
  assert.ok(failed.length < 300);
});

test("that somebody guesses the password of a user is told, and locks nobody out", async () => {
  const add = async () => ({ isGuessed: true });
  const { logOn, log } = createWorld({ failures: { add } });
  await logOn("alice", "wrong");
  assert.match(log.join(""), /"user":"Alice","event":"logon-guessing"/);
  assert.equal((await logOn("alice", "secret")).kind, "accepted");
});
