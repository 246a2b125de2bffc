import assert from "node:assert/strict";
import { test } from "node:test";
import { createLookupScope } from "../../../src/net/resolver.ts";
import { findMxHosts, type MxHosts } from "../../../src/relay/hubs/mx-hosts.ts";
import { createOurSelf } from "../../../src/relay/hubs/own-names.ts";
import { mx, toZoneResolver, type Zone } from "../../support/zone-resolver.ts";

interface Question {
  readonly names?: readonly string[];
  readonly listening?: readonly string[];
  readonly interfaces?: readonly string[];
  readonly families?: readonly (4 | 6)[];
  readonly random?: () => number;
  readonly asked?: string[];
}

function find(zone: Zone, domain = "x.test", question: Question = {}): Promise<MxHosts> {
  const { names = ["us.test"], listening = [], interfaces = [] } = question;
  const { families = [4, 6], random = () => 0, asked = [] } = question;
  const ourSelf = createOurSelf({ names, listening, interfaces: () => interfaces });
  const scope = createLookupScope(new AbortController().signal);
  const resolver = toZoneResolver(zone, asked);
  return findMxHosts({ resolver, ourSelf, random }, domain, families, scope);
}

function hostsOf(found: MxHosts): readonly string[] {
  assert.ok(found.kind === "found", JSON.stringify(found));
  return found.hosts.flatMap(({ host, addresses }) => addresses.map((ip) => `${host} ${ip}`));
}

function refusalOf(found: MxHosts): string {
  assert.ok(found.kind === "refused", JSON.stringify(found));
  return `${found.reply.code} ${found.reply.status}`;
}

test("mail servers are tried by preference, IPv4 before IPv6", async () => {
  const found = await find({
    "MX x.test": [mx(20, "b.test"), mx(10, "a.test")],
    "A a.test": ["192.0.2.1"],
    "AAAA a.test": ["2001:db8::1"],
    "AAAA b.test": ["2001:db8::2"],
  });
  assert.deepEqual(hostsOf(found), [
    "a.test 192.0.2.1",
    "a.test 2001:db8::1",
    "b.test 2001:db8::2",
  ]);
});

test("equals come first in turn, and so do the addresses of one name", async () => {
  const zone = {
    "MX x.test": [mx(10, "a.test"), mx(10, "b.test"), mx(20, "c.test")],
    "A a.test": ["192.0.2.1", "192.0.2.2"],
    "A b.test": ["192.0.2.3"],
    "A c.test": ["192.0.2.4"],
  };
  const first = new Set<string>();
  for (let i = 0; i < 100; i++) {
    const hosts = hostsOf(await find(zone, "x.test", { random: Math.random }));
    first.add(hosts[0] ?? "");
    assert.equal(hosts.at(-1), "c.test 192.0.2.4");
    assert.equal(new Set(hosts).size, 4);
  }
  assert.deepEqual([...first].sort(), ["a.test 192.0.2.1", "a.test 192.0.2.2", "b.test 192.0.2.3"]);
});

test("a domain without MX is its own mail server", async () => {
  const found = await find({ "A x.test": ["192.0.2.1"] });
  assert.deepEqual(hostsOf(found), ["x.test 192.0.2.1"]);
  assert.equal(found.kind === "found" && found.hasMx, false);
});

test("a domain with MX is not: its own address is never tried", async () => {
  const zone = { "MX x.test": [mx(10, "gone.test")], "A x.test": ["192.0.2.1"] };
  assert.equal(refusalOf(await find(zone)), "550 5.4.4");
});

test("a null MX, a domain that does not exist and an address literal are refused for good", async () => {
  assert.equal(refusalOf(await find({ "MX x.test": [mx(0, "")] })), "556 5.1.10");
  assert.equal(refusalOf(await find({})), "550 5.1.2");
  assert.equal(refusalOf(await find({}, "[127.0.0.1]")), "550 5.1.2");
  assert.equal(refusalOf(await find({ "MX x.test": [] })), "550 5.4.4");
});

test("a null MX beside others counts as nothing", async () => {
  const zone = { "MX x.test": [mx(0, ""), mx(10, "a.test")], "A a.test": ["192.0.2.1"] };
  assert.deepEqual(hostsOf(await find(zone)), ["a.test 192.0.2.1"]);
});

test("what DNS cannot say now is asked again later, never taken for no", async () => {
  const kinds = [
    await find({ "MX x.test": "SERVFAIL" }),
    await find({ "MX x.test": [], "A x.test": "timeout" }),
    await find({ "MX x.test": [mx(10, "a.test"), mx(20, "b.test")], "A b.test": "timeout" }),
  ].map(({ kind }) => kind);
  assert.deepEqual(kinds, ["later", "later", "later"]);
});

test("a server whose address cannot be found is passed over for the next", async () => {
  const found = await find({
    "MX x.test": [mx(10, "a.test"), mx(20, "b.test"), mx(30, "c.test")],
    "A a.test": "timeout",
    "A c.test": ["192.0.2.3"],
  });
  assert.deepEqual(hostsOf(found), ["c.test 192.0.2.3"]);
});

test("we never send to ourselves nor to whoever is no better than us, by our name", async () => {
  const zone = {
    "MX x.test": [mx(10, "a.test"), mx(20, "US.test"), mx(20, "b.test"), mx(30, "c.test")],
    "A a.test": ["192.0.2.1"],
    "A b.test": ["192.0.2.2"],
    "A c.test": ["192.0.2.3"],
  };
  assert.deepEqual(hostsOf(await find(zone)), ["a.test 192.0.2.1"]);
  const best = { ...zone, "MX x.test": [mx(5, "us.test."), mx(10, "a.test")] };
  assert.equal(refusalOf(await find(best)), "554 5.4.6");
});

test("nor by our address: where we listen, or any of the machine when we listen on all", async () => {
  const zone = {
    "MX x.test": [mx(10, "a.test"), mx(20, "alias.test"), mx(30, "c.test")],
    "A a.test": ["192.0.2.1"],
    "AAAA alias.test": ["2001:db8::99"],
    "A c.test": ["192.0.2.3"],
  };
  const listening = ["2001:db8::99"];
  assert.deepEqual(hostsOf(await find(zone, "x.test", { listening })), ["a.test 192.0.2.1"]);
  const interfaces = ["192.0.2.1"];
  const all = { listening: ["0.0.0.0"], interfaces };
  assert.equal(refusalOf(await find(zone, "x.test", all)), "554 5.4.6");
  const other = { listening: ["192.0.2.77"], interfaces };
  assert.equal(hostsOf(await find(zone, "x.test", other)).length, 3);
});

test("an MX that leads to our own loopback or to no address at all leads to ourselves", async () => {
  for (const address of ["0.0.0.0", "127.9.9.9", "::"]) {
    const type = address.includes(":") ? "AAAA" : "A";
    const zone = { "MX x.test": [mx(10, "a.test")], [`${type} a.test`]: [address] };
    assert.equal(refusalOf(await find(zone, "x.test", { listening: ["0.0.0.0"] })), "554 5.4.6");
  }
});

test("a server that is ours is found by its address even when it is never the one to be tried", async () => {
  const zone = { "A x.test": ["192.0.2.9"] };
  assert.equal(refusalOf(await find(zone, "x.test", { listening: ["192.0.2.9"] })), "554 5.4.6");
});

test("addresses of a family that we do not send from are left out", async () => {
  const zone = {
    "MX x.test": [mx(10, "a.test")],
    "A a.test": ["192.0.2.1"],
    "AAAA a.test": ["2001:db8::1"],
  };
  assert.deepEqual(hostsOf(await find(zone, "x.test", { families: [6] })), ["a.test 2001:db8::1"]);
  const only6 = { "MX x.test": [mx(10, "a.test")], "AAAA a.test": ["2001:db8::1"] };
  assert.equal((await find(only6, "x.test", { families: [4] })).kind, "later");
});

test("a thousand mail servers with a thousand addresses cost twenty-one questions", async () => {
  const numbers = Array.from({ length: 1000 }, (_, i) => i);
  const many = numbers.map((i) => `198.51.${i >> 8}.${i & 255}`);
  const zone: Record<string, readonly unknown[]> = {
    "MX x.test": numbers.map((i) => mx(i, `m${i}.test`)),
  };
  for (const i of numbers) zone[`A m${i}.test`] = many;
  const asked: string[] = [];
  const found = hostsOf(await find(zone, "x.test", { asked, random: Math.random }));
  assert.equal(asked.length, 21);
  assert.equal(found.length, 50);
  assert.ok(found[0]?.startsWith("m0.test "));
});

test("our own name is heeded however late it stands in the list", async () => {
  const numbers = Array.from({ length: 40 }, (_, i) => i);
  const zone: Record<string, readonly unknown[]> = {
    "MX x.test": [...numbers.map((i) => mx(10, `m${i}.test`)), mx(10, "us.test")],
  };
  for (const i of numbers) zone[`A m${i}.test`] = ["192.0.2.1"];
  assert.equal(refusalOf(await find(zone)), "554 5.4.6");
});
