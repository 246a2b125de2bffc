import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import type { FakeHost, FakeZone } from "../../support/fake-dns.ts";
import { type Asked, DANE, DATA, rule, STS, TLSA, VERIFIED, zoneWith } from "./mx-tls-question.ts";

async function demandOf(t: TestContext, asked: Asked) {
  const { ruling } = await rule(t, asked);
  return ruling.kind === "demand" ? ruling.demand : ruling.kind;
}

const UNSIGNED: FakeHost = { MX: [[10, "mx.example.org"]] };
const FAILING = ["servfail", "servfail"] as const;

describe("the TLS of a mail server, by DANE", () => {
  it("must fit the usable TLSA records when all of the way is signed", async (t) => {
    const { ruling } = await rule(t, {});
    assert.deepEqual(ruling.kind === "demand" && ruling.demand, DANE);
    assert.equal(ruling.kind === "demand" && ruling.policy, "DANE, 1 TLSA record");
  });

  it("is as the connector says where nothing is published or signed", async (t) => {
    const none = { kind: "opportunistic" };
    assert.deepEqual(await demandOf(t, { zone: zoneWith({ [TLSA]: { secure: true } }) }), none);
    const unsignedRecord = { [TLSA]: { TLSA: [[3, 1, 1, DATA]] as const } };
    assert.deepEqual(await demandOf(t, { zone: zoneWith(unsignedRecord) }), none);
    const required = { mode: "required" as const, zone: zoneWith({ [TLSA]: {} }) };
    assert.deepEqual(await demandOf(t, required), { kind: "required" });
  });

  it("is not asked for behind addresses that are not signed", async (t) => {
    const zone = zoneWith({ "mx.example.org": { A: ["192.0.2.1"] } });
    const { ruling, dns } = await rule(t, { zone });
    assert.deepEqual(ruling.kind === "demand" && ruling.demand, { kind: "opportunistic" });
    assert.equal(dns.count("TLSA"), 0);
  });

  it("is that of the host alone when its domain is not signed", async (t) => {
    const names = ["mx.example.org"];
    const demand = await demandOf(t, { zone: zoneWith({ "example.org": UNSIGNED }) });
    assert.deepEqual(demand, { ...DANE, names });
  });

  it("is some TLS, unchecked, when none of the records can be used", async (t) => {
    const zone = zoneWith({ [TLSA]: { TLSA: [[1, 1, 1, DATA]], secure: true } });
    assert.deepEqual(await demandOf(t, { zone }), { kind: "required" });
    const verified = await demandOf(t, { zone, mode: "verified" });
    assert.deepEqual(verified, { kind: "verified", names: ["mx.example.org"] });
  });

  it("is unknown, so that the host is passed over, when the records cannot be looked up", async (t) => {
    const bench = await rule(t, { dane: false });
    bench.dns.behave(TLSA, ...FAILING);
    const { connector } = bench.asking;
    const to = { kind: "mx", port: 25, dane: true, mtaSts: true } as const;
    const ruling = await bench.policy.rule({ ...bench.asking, connector: { ...connector, to } });
    assert.equal(ruling.kind, "skip");
    const failures = bench.facts.map(({ failure, policy }) => [failure?.type, policy.type]);
    assert.deepEqual(failures, [["dnssec-invalid", "tlsa"]]);
    assert.match((await bench.metrics.expose()).text, /policy="dane",result="skipped"} 1/);
  });

  it("is asked for at the connector's port and for a domain without MX", async (t) => {
    const zone: FakeZone = {
      "example.org": { A: ["192.0.2.1"], secure: true },
      "_2525._tcp.example.org": { TLSA: [[3, 1, 1, DATA]], secure: true },
    };
    const question = { host: "example.org", hasMx: false, port: 2525 };
    const names = ["example.org"];
    assert.deepEqual(await demandOf(t, { zone, question }), { ...DANE, names });
  });

  describe("behind an alias", () => {
    const END = "mail.example.net";
    const BEHIND = `_25._tcp.${END}`;
    /** The MX host is another's name, signed, and so is what it leads to but for what is changed. */
    const aliased = (changes: FakeZone) => {
      const { [TLSA]: _, ...zone } = zoneWith({
        "mx.example.org": { CNAME: END, secure: true },
        [END]: { A: ["192.0.2.1"], secure: true },
      });
      return { ...zone, ...changes };
    };
    const own = { [TLSA]: { TLSA: [[3, 1, 1, "cd".repeat(32)]] as const, secure: true } };
    const behind = { [BEHIND]: { TLSA: [[3, 1, 1, DATA]] as const, secure: true } };

    it("is that of the name it leads to, which the server is asked for", async (t) => {
      const { ruling, facts, policy, asking } = await rule(t, {
        zone: aliased({ ...behind, ...own }),
      });
      assert.ok(ruling.kind === "demand");
      assert.deepEqual(ruling.demand, { ...DANE, names: [END, "mx.example.org", "example.org"] });
      assert.equal(ruling.policy, `DANE, 1 TLSA record of ${END}`);
      policy.ended(asking, ruling, { kind: "connected", tls: null, address: "192.0.2.1" });
      assert.equal(facts[0]?.policy.domain, END);
      assert.equal(facts[0]?.mxHost, "mx.example.org");
    });

    it("is its own when that name has none", async (t) => {
      const found = { kind: "dane", names: DANE.names };
      for (const changes of [own, { ...own, [BEHIND]: { TLSA: behind[BEHIND].TLSA } }]) {
        const demand = await demandOf(t, { zone: aliased(changes) });
        assert.partialDeepStrictEqual(demand, found);
        assert.match(JSON.stringify(demand), /cdcdcd/);
      }
    });

    it("is its own when only the alias is signed, and nobody's when that is not either", async (t) => {
      const out = { [END]: { A: ["192.0.2.1"] }, ...own, ...behind };
      const signed = await demandOf(t, { zone: aliased(out) });
      assert.match(JSON.stringify(signed), /"dane".*cdcdcd/);
      const zone = aliased({ ...out, "mx.example.org": { CNAME: END } });
      const { ruling, dns } = await rule(t, { zone });
      assert.deepEqual(ruling.kind === "demand" && ruling.demand, { kind: "opportunistic" });
      assert.equal(dns.count("TLSA"), 0);
    });

    it("is unknown when that name's records, or the alias itself, cannot be looked up", async (t) => {
      const secure = await rule(t, { zone: aliased(own), dane: false });
      const { connector } = secure.asking;
      const to = { kind: "mx", port: 25, dane: true, mtaSts: true } as const;
      const asking = { ...secure.asking, connector: { ...connector, to } };
      secure.dns.behave(BEHIND, ...FAILING);
      assert.equal((await secure.policy.rule(asking)).kind, "skip");
      const out = { [END]: { A: ["192.0.2.1"] }, ...own };
      const half = await rule(t, { zone: aliased(out), dane: false });
      const { lookup } = half.resolver;
      await lookup("mx.example.org", "A", asking.scope);
      await lookup("mx.example.org", "AAAA", asking.scope);
      half.dns.behave("mx.example.org", ...FAILING);
      assert.equal((await half.policy.rule(asking)).kind, "skip");
    });
  });

  it("of which no record can be used leaves the word to MTA-STS, whichever demands more", async (t) => {
    const zone = zoneWith({ [TLSA]: { TLSA: [[1, 1, 1, DATA]], secure: true } });
    assert.deepEqual(await demandOf(t, { zone, sts: STS }), VERIFIED);
    assert.equal(await demandOf(t, { zone, sts: { ...STS, mx: ["a.test"] } }), "skip");
    const testing = { ...STS, mode: "testing" as const };
    assert.deepEqual(await demandOf(t, { zone, sts: testing }), { kind: "required" });
  });

  it("is not heeded where the connector says so, or has its own word about TLS", async (t) => {
    assert.deepEqual(await demandOf(t, { dane: false }), { kind: "opportunistic" });
    assert.deepEqual(await demandOf(t, { mode: "none" }), { kind: "none" });
    const report = { question: { ignoresPolicies: true } };
    assert.deepEqual(await demandOf(t, report), { kind: "opportunistic" });
  });
});

describe("the TLS of a mail server, by MTA-STS", () => {
  const zone = zoneWith({ [TLSA]: { secure: true } });

  it("must be that of a valid certificate for the host in mode enforce", async (t) => {
    const { ruling } = await rule(t, { zone, sts: STS });
    assert.deepEqual(ruling.kind === "demand" && ruling.demand, VERIFIED);
    const words = "MTA-STS enforce, mx.example.org is allowed";
    assert.equal(ruling.kind === "demand" && ruling.policy, words);
  });

  it("is not tried at a host that the policy does not allow", async (t) => {
    const { ruling, facts } = await rule(t, { zone, sts: { ...STS, mx: ["*.example.net"] } });
    const reason = "the MTA-STS policy of example.org does not allow the host mx.example.org";
    assert.deepEqual(ruling, { kind: "skip", reason });
    assert.equal(facts[0]?.failure?.type, "validation-failure");
    assert.deepEqual(facts[0]?.policy, {
      type: "sts",
      domain: "example.org",
      strings: ["version: STSv1", "mode: enforce", "mx: *.example.net", "max_age: 86400"],
      mx: ["*.example.net"],
    });
  });

  it("never overrules DANE, which vouches for the domain itself", async (t) => {
    assert.deepEqual(await demandOf(t, { sts: { ...STS, mx: ["*.example.net"] } }), DANE);
  });

  it("goes before DANE of a host that an unsigned domain names", async (t) => {
    const unsigned = zoneWith({ "example.org": UNSIGNED });
    assert.deepEqual(await demandOf(t, { zone: unsigned, sts: STS }), VERIFIED);
    assert.equal(await demandOf(t, { zone: unsigned, sts: { ...STS, mx: ["a.test"] } }), "skip");
  });

  it("is only wished for in mode testing, and nothing at all in mode none", async (t) => {
    const testing = await demandOf(t, { zone, sts: { ...STS, mode: "testing" } });
    assert.deepEqual(testing, { kind: "opportunistic", wish: VERIFIED });
    const none = await demandOf(t, { zone, sts: { ...STS, mode: "none" } });
    assert.deepEqual(none, { kind: "opportunistic" });
  });

  it("is not heeded where the connector says so", async (t) => {
    const off = await demandOf(t, { zone, sts: STS, mtaSts: false });
    assert.deepEqual(off, { kind: "opportunistic" });
  });
});
