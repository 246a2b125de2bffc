import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { toQuery } from "../../src/net/dns-message.ts";
import { createDnsResolver } from "../../src/net/dns-resolver.ts";
import { createLookupScope } from "../../src/net/resolver.ts";
import { afterwards } from "../support/afterwards.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { type FakeZone, startFakeDns } from "../support/fake-dns.ts";
import { setUpResolver } from "./resolver-set-up.ts";

describe("answers that DNSSEC vouches for", () => {
  const tlsa = [3, 1, 1, "ab".repeat(32)] as const;
  const zone: FakeZone = {
    "signed.example": { MX: [[10, "mx.signed.example"]], secure: true },
    "mx.signed.example": { A: ["192.0.2.1"], secure: true },
    "_25._tcp.mx.signed.example": { TLSA: [tlsa], secure: true },
    "alias.signed.example": { CNAME: "plain.example", secure: true },
    "plain.example": { A: ["192.0.2.2"] },
    "empty.signed.example": { TLSA: [[3, 1, 1, ""]], secure: true },
  };

  async function setUp(t: TestContext, validates: boolean) {
    const set = await setUpResolver(t, { validates });
    set.dns.setZone(zone);
    return set;
  }

  it("tell where an alias ends, and of the alias itself when it is asked for", async (t) => {
    const { resolver, scope } = await setUp(t, true);
    const found = await resolver.lookup("alias.signed.example", "A", scope);
    assert.equal(found.kind === "found" && found.canonical, "plain.example");
    assert.equal(found.kind === "found" && found.secure, undefined);
    const alias = await resolver.lookup("alias.signed.example", "CNAME", scope);
    assert.deepEqual(alias.kind === "found" && { ...alias, ttlSeconds: 0 }, {
      kind: "found",
      records: ["plain.example"],
      ttlSeconds: 0,
      secure: true,
    });
    assert.equal((await resolver.lookup("plain.example", "CNAME", scope)).kind, "none");
  });

  it("are secure, and stay so in the cache", async (t) => {
    const { resolver, scope, dns } = await setUp(t, true);
    for (const round of [1, 2]) {
      const found = await resolver.lookup("signed.example", "MX", scope);
      assert.equal(found.kind === "found" && found.secure, true, `round ${round}`);
      const none = await resolver.lookup("signed.example", "A", scope);
      assert.deepEqual(none, { kind: "none", reason: "nodata", secure: true });
      const absent = await resolver.lookup("_25._tcp.no.signed.example", "TLSA", scope);
      assert.deepEqual(absent, { kind: "none", reason: "nxdomain", secure: true });
    }
    assert.equal(dns.queries.length, 3);
  });

  it("hold TLSA records as plain data", async (t) => {
    const { resolver, scope } = await setUp(t, true);
    const found = await resolver.lookup("_25._tcp.mx.signed.example", "TLSA", scope);
    const record = { usage: 3, selector: 1, matchingType: 1, data: "ab".repeat(32) };
    assert.deepEqual(found.kind === "found" && found.records, [record]);
    const broken = await resolver.lookup("empty.signed.example", "TLSA", scope);
    assert.equal(broken.kind, "temporary");
  });

  it("are not believed, nor asked for, from servers that the operator does not vouch for", async (t) => {
    const { resolver, scope } = await setUp(t, false);
    for (const [name, type] of [
      ["signed.example", "MX"],
      ["signed.example", "A"],
      ["_25._tcp.mx.signed.example", "TLSA"],
    ] as const) {
      const answer = await resolver.lookup(name, type, scope);
      assert.ok(!("secure" in answer), name);
    }
    assert.equal(toQuery({ name: "signed.example", type: "MX" }).bytes.readUInt16BE(2) & 0x20, 0);
  });

  it("are not secure when one link of the chain is not, nor from the settings", async (t) => {
    const dns = await startFakeDns(zone);
    const hosts = { "hub.internal": "127.0.0.1" };
    const options = { clock: createFakeClock(), servers: [dns.address], validates: true, hosts };
    const resolver = createDnsResolver(options);
    afterwards(t, async () => {
      resolver.close();
      await dns.close();
    });
    const scope = createLookupScope(new AbortController().signal);
    for (const name of ["plain.example", "alias.signed.example", "hub.internal"]) {
      const answer = await resolver.lookup(name, "A", scope);
      assert.ok(answer.kind === "found" && !("secure" in answer), name);
    }
  });

  it("are secure over TCP as over UDP", async (t) => {
    const { resolver, scope, dns } = await setUp(t, true);
    dns.behave("signed.example", "truncate");
    const found = await resolver.lookup("signed.example", "MX", scope);
    assert.equal(found.kind === "found" && found.secure, true);
    assert.equal(dns.count("MX signed.example tcp"), 1);
  });
});
