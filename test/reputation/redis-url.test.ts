import assert from "node:assert/strict";
import { test } from "node:test";
import { formatRedisPlace, parseRedisUrl } from "../../src/reputation/redis-url.ts";

const A = { host: "10.0.0.1", port: 6379 };

test("the three forms are read, with defaults for ports and the database", () => {
  const single = parseRedisUrl("redis://10.0.0.1");
  assert.deepEqual(single, {
    place: { kind: "single", server: A, db: 0 },
    tls: false,
    username: null,
    password: null,
  });
  assert.deepEqual(parseRedisUrl("rediss://[::1]:7000/3")?.place, {
    kind: "single",
    server: { host: "::1", port: 7000 },
    db: 3,
  });
  assert.deepEqual(parseRedisUrl("redis+sentinel://10.0.0.1,s2.example.org:5000/main/2")?.place, {
    kind: "sentinel",
    servers: [
      { host: "10.0.0.1", port: 26_379 },
      { host: "s2.example.org", port: 5000 },
    ],
    name: "main",
    db: 2,
  });
  const cluster = parseRedisUrl("rediss+cluster://10.0.0.1,10.0.0.2");
  assert.deepEqual(cluster?.place, { kind: "cluster", servers: [A, { ...A, host: "10.0.0.2" }] });
  assert.equal(cluster.tls, true);
});

test("who logs on is read from it, percent-encoded, and never written again", () => {
  const address = parseRedisUrl("redis://ann:p%40ss%2Fword@10.0.0.1:6379/0");
  assert.equal(address?.username, "ann");
  assert.equal(address.password, "p@ss/word");
  assert.equal(formatRedisPlace(address), "redis://10.0.0.1:6379/0");
  const alone = parseRedisUrl("redis://:secret@10.0.0.1");
  assert.deepEqual([alone?.username, alone?.password], [null, "secret"]);
});

test("what is shown can be read again", () => {
  for (const text of [
    "redis://10.0.0.1:6379/0",
    "rediss://[2001:db8::1]:7000/3",
    "redis+sentinel://a:26379,b:26379/mymaster/0",
    "rediss+cluster://a:6379,b:6379",
  ]) {
    const address = parseRedisUrl(text);
    assert.ok(address, text);
    assert.equal(formatRedisPlace(address), text);
  }
});

test("what is none of them is refused", () => {
  for (const text of [
    "",
    "10.0.0.1:6379",
    "http://10.0.0.1",
    "redis://",
    "redis://a:0",
    "redis://a:99999",
    "redis://a,b",
    "redis://a/x",
    "redis://a/0/1",
    "redis://a/99999",
    "redis://a?db=1",
    "redis://[10.0.0.1]",
    "redis://u:%zz@a",
    "redis+sentinel://a",
    "redis+sentinel://a/na me",
    "redis+sentinel://a/name/0/1",
    "redis+cluster://a/1",
    "redis+cluster://a,,b",
    "redis+other://a",
    `redis+cluster://${Array.from({ length: 33 }, () => "a").join(",")}`,
  ])
    assert.equal(parseRedisUrl(text), null, text);
});
