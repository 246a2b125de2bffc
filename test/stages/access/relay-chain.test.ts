import assert from "node:assert/strict";
import { test } from "node:test";
import { accessOptions } from "../../../src/stages/access/access-options.ts";
import { followRelays } from "../../../src/stages/access/relay-chain.ts";

const DATE = "; Sun, 22 Nov 2026 03:04:05 +0000";
const NOW = Date.UTC(2026, 10, 22);
const BACKUP = "203.0.113.7";
const OPTIONS = accessOptions.parse({
  trustedRelays: [
    { client: BACKUP, names: ["backup.example.org"], reason: "our backup MX" },
    { client: "203.0.113.16/28", names: ["*.filter.test"], reason: "the filter" },
    { client: "10.9.0.0/16", names: ["*.inside.filter.test"], reason: "its inner hops" },
    { client: "203.0.113.8", names: ["old.example.org"], reason: "gone", expires: "2026-01-31" },
  ],
});

const from = (helo: string, ip: string, by: string) =>
  ` from ${helo} (${helo} [${ip}]) by ${by} (Postfix) with ESMTP id 1${DATE}`;

function follow(received: readonly string[], client = BACKUP) {
  const relayOf = (ip: string) => OPTIONS.relays.find(ip, NOW);
  return followRelays({ client, helo: "backup.example.org", received, relayOf });
}

const BY_BACKUP = from("mail.friend.test", "192.0.2.1", "backup.example.org");
const FORGED = from("mail.bank.test", "198.51.100.1", "backup.example.org");

test("who gave the mail to the relay is the origin, and what stands below is nobody's word", () => {
  for (const below of [[], [FORGED], [FORGED, BY_BACKUP], ["rubbish"]]) {
    const found = follow([BY_BACKUP, ...below]);
    assert.deepEqual(found?.origin, { ip: "192.0.2.1", helo: "mail.friend.test" });
    assert.equal(found?.hops.length, 1);
  }
});

test("the chain goes on as long as a relay wrote each field, under one of its names", () => {
  const found = follow([
    from("out2.filter.test", "203.0.113.17", "backup.example.org"),
    from("in.inside.filter.test", "10.9.1.2", "out2.filter.test"),
    from("mail.friend.test", "192.0.2.1", "mx.inside.filter.test"),
    FORGED,
  ]);
  assert.deepEqual(found?.origin, { ip: "192.0.2.1", helo: "mail.friend.test" });
  assert.deepEqual(
    found?.hops.map(({ by }) => by),
    ["backup.example.org", "out2.filter.test", "mx.inside.filter.test"],
  );
});

test("a content filter behind loopback is the relay itself", () => {
  for (const loopback of ["127.0.0.1", "IPv6:::1"]) {
    const found = follow([from("localhost", loopback, "backup.example.org"), BY_BACKUP]);
    assert.deepEqual(found?.origin, { ip: "192.0.2.1", helo: "mail.friend.test" });
  }
});

test("what a relay made itself is its own", () => {
  const own = ` by backup.example.org (Postfix) id 1${DATE}`;
  assert.deepEqual(follow([own])?.origin, { ip: BACKUP, helo: "backup.example.org" });
  const found = follow([
    from("a.filter.test", "203.0.113.18", "backup.example.org"),
    ` by a.filter.test (x) id 2${DATE}`,
  ]);
  assert.deepEqual(found?.origin, { ip: "203.0.113.18", helo: "a.filter.test" });
});

for (const [what, received, problem] of [
  ["writes no Received field", [], /^no Received field of 203\.0\.113\.7$/],
  [
    "did not write the topmost field",
    [from("a.test", "192.0.2.1", "elsewhere.test"), BY_BACKUP],
    /by elsewhere\.test, which is no name of/,
  ],
  [
    "writes what cannot be read",
    [" from x by backup.example.org", BY_BACKUP],
    /^Received of 203\.0\.113\.7: no date/,
  ],
  [
    "is followed by one under a false name",
    [from("a.filter.test", "203.0.113.17", "backup.example.org"), FORGED],
    /by backup\.example\.org, which is no name of 203\.0\.113\.16\/28/,
  ],
  [
    "is followed by nothing",
    [from("a.filter.test", "203.0.113.17", "backup.example.org")],
    /no Received field of 203\.0\.113\.17/,
  ],
  [
    "has it from an inner network that nobody named",
    [from("pc", "10.1.2.3", "backup.example.org")],
    /10\.1\.2\.3 is of an inner network/,
  ],
  [
    "is called like a name that only ends alike",
    [
      from("a.filter.test", "203.0.113.17", "backup.example.org"),
      from("x", "192.0.2.1", "evilfilter.test"),
    ],
    /evilfilter\.test, which is no name/,
  ],
  [
    "goes round in circles",
    Array.from({ length: 40 }, () => from("localhost", "127.0.0.1", "backup.example.org")),
    /more than 10 hops/,
  ],
] as const)
  test(`nobody knows the origin where the relay ${what}`, () => {
    const found = follow(received);
    assert.equal(found?.origin, null);
    assert.match(found?.problem ?? "", problem);
  });

test("who is no relay, or no longer, is followed nowhere", () => {
  assert.equal(follow([BY_BACKUP], "192.0.2.1"), null);
  assert.equal(follow([from("a", "192.0.2.1", "old.example.org")], "203.0.113.8"), null);
  const found = follow([
    from("old.example.org", "203.0.113.8", "backup.example.org"),
    from("a", "192.0.2.1", "old.example.org"),
  ]);
  assert.deepEqual(found?.origin, { ip: "203.0.113.8", helo: "old.example.org" });
});

for (const [what, entry, message] of [
  [
    "a network of half the world",
    { client: "128.0.0.0/2", names: ["a.test"], reason: "x" },
    /expected a network of at most \/12/,
  ],
  ["no names", { client: BACKUP, names: [], reason: "x" }, />=1|at least 1/],
  [
    "a name that is none",
    { client: BACKUP, names: ["*"], reason: "x" },
    /expected a host name or \*\.suffix/,
  ],
  ["no reason", { client: BACKUP, names: ["a.test"] }, /reason/],
  ["host bits", { client: "203.0.113.7/24", names: ["a.test"], reason: "x" }, /without host bits/],
  ["a scope", { client: BACKUP, names: ["a.test"], reason: "x", scope: ["dnsbl"] }, /scope/],
] as const)
  test(`an entry with ${what} is refused`, () => {
    const result = accessOptions.safeParse({ trustedRelays: [entry] });
    assert.equal(result.success, false);
    assert.match(JSON.stringify(result.error?.issues), message);
  });
