import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { createLookupScope } from "../../../src/net/resolver.ts";
import { createFactBus, type TlsSessionFact } from "../../../src/pipeline/facts.ts";
import type { ConnectorTls } from "../../../src/policy/snapshot.ts";
import type { StsPolicy } from "../../../src/relay/tls/mta-sts-policy.ts";
import type { MxQuestion } from "../../../src/relay/tls/tls-policy.ts";
import type { FakeHost, FakeZone } from "../../support/fake-dns.ts";
import { openMxPolicyBench, STS_RECORD } from "../../support/mx-policy-bench.ts";
import { toTestConnector } from "../../support/relay-bench.ts";

const DATA = "ab".repeat(32);
const USABLE = { usage: 3, selector: 1, matchingType: 1, data: DATA };
const TLSA = "_25._tcp.mx.example.org";
const DANE = { kind: "dane", records: [USABLE], names: ["mx.example.org", "example.org"] };
const VERIFIED = { kind: "verified", names: ["mx.example.org"] };
const STS: StsPolicy = { mode: "enforce", mx: ["mx.example.org"], maxAgeSeconds: 86_400 };

/** A domain with one mail server, all of it signed, but for what is changed. */
function zoneWith(changes: FakeZone = {}): FakeZone {
  return {
    "example.org": { MX: [[10, "mx.example.org"]], secure: true },
    "mx.example.org": { A: ["192.0.2.1"], secure: true },
    [TLSA]: { TLSA: [[3, 1, 1, DATA]], secure: true },
    ...changes,
  };
}

interface Asked {
  readonly zone?: FakeZone;
  readonly sts?: StsPolicy;
  readonly mode?: ConnectorTls["mode"];
  readonly dane?: boolean;
  readonly mtaSts?: boolean;
  readonly question?: Partial<MxQuestion>;
}

async function rule(t: TestContext, { zone = zoneWith(), sts, question, ...asked }: Asked) {
  const record: FakeZone = sts ? { "_mta-sts.example.org": STS_RECORD } : {};
  const bench = await openMxPolicyBench(t, { ...zone, ...record });
  if (sts) await bench.keepSts("example.org", sts);
  const facts: TlsSessionFact[] = [];
  const bus = createFactBus((error) => assert.fail(String(error)));
  bus.listen((fact) => void (fact.kind === "tls-session" && facts.push(fact)));
  const policy = bench.createPolicy(bus);
  const { mode = "opportunistic", dane = true, mtaSts = true } = asked;
  const asking: MxQuestion = {
    connector: toTestConnector({
      to: { kind: "mx", port: 25, dane, mtaSts },
      tls: { mode, names: [], ca: null, pins: [], identity: null },
    }),
    domain: "example.org",
    host: "mx.example.org",
    port: 25,
    hasMx: true,
    scope: createLookupScope(new AbortController().signal),
    ...question,
  };
  return { ruling: await policy.rule(asking), policy, asking, facts, ...bench };
}

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

describe("sessions in TLS", () => {
  const tls = { protocol: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384", verified: "no" } as const;
  const up = { kind: "connected", tls, address: "192.0.2.1", ownAddress: "192.0.2.9" } as const;

  async function told(t: TestContext, asked: Asked, session: Parameters<Told>[2]) {
    const { policy, ruling, asking, facts, metrics } = await rule(t, asked);
    policy.ended(asking, ruling, session);
    const counted = /policy_total\{([^}]*)\} 1/.exec((await metrics.expose()).text)?.[1] ?? null;
    return { fact: facts.at(-1) ?? null, counted };
  }
  type Told = Awaited<ReturnType<typeof rule>>["policy"]["ended"];

  it("are told with the policy, both ends and no failure when all is well", async (t) => {
    const { fact, counted } = await told(t, {}, up);
    assert.deepEqual(fact && { ...fact, at: 0 }, {
      kind: "tls-session",
      at: 0,
      domain: "example.org",
      policy: { type: "tlsa", domain: "mx.example.org", strings: [`3 1 1 ${DATA}`] },
      mxHost: "mx.example.org",
      ip: "192.0.2.1",
      ownIp: "192.0.2.9",
      failure: null,
    });
    assert.equal(counted, 'policy="dane",result="met"');
  });

  it("that failed are told in the words of RFC 8460", async (t) => {
    for (const [tlsFault, type] of [
      ["starttls", "starttls-not-supported"],
      ["handshake", "validation-failure"],
      ["certificate-expired", "certificate-expired"],
      ["certificate-name", "certificate-host-mismatch"],
      ["certificate-untrusted", "certificate-not-trusted"],
      ["dane", "validation-failure"],
    ] as const) {
      const session = { kind: "failed", reason: "why", reply: null, tlsFault } as const;
      const { fact, counted } = await told(t, {}, session);
      assert.deepEqual(fact?.failure, { type, reason: "why" });
      assert.equal(counted, 'policy="dane",result="unmet"');
    }
  });

  it("without TLS are failures although the mail went", async (t) => {
    const { fact, counted } = await told(t, { dane: false }, { ...up, tls: null });
    assert.equal(fact?.failure?.type, "starttls-not-supported");
    assert.deepEqual(fact?.policy, { type: "no-policy-found", domain: "example.org" });
    assert.equal(counted, 'policy="none",result="reported"');
  });

  it("under a policy in mode testing tell what would have failed", async (t) => {
    const zone = zoneWith({ [TLSA]: { secure: true } });
    const sts = { ...STS, mode: "testing" as const };
    const unmet = { fault: "certificate-name", reason: "for another" } as const;
    const session = { ...up, tls: { ...tls, unmet } };
    const { fact, counted } = await told(t, { zone, sts }, session);
    assert.equal(fact?.failure?.type, "certificate-host-mismatch");
    assert.equal(counted, 'policy="mta-sts",result="reported"');
    const other = await told(t, { zone, sts: { ...sts, mx: ["a.test"] } }, up);
    assert.equal(other.fact?.failure?.type, "validation-failure");
  });

  it("with TLSA records that cannot be used tell of these", async (t) => {
    const zone = zoneWith({ [TLSA]: { TLSA: [[0, 1, 1, DATA]], secure: true } });
    assert.equal((await told(t, { zone }, up)).fact?.failure?.type, "tlsa-invalid");
  });

  it("that the operator wants in the clear or by pins are nobody's business", async (t) => {
    for (const mode of ["none", "pinned"] as const)
      assert.equal((await told(t, { mode }, { ...up, tls: null })).fact, null);
  });

  it("that never came to TLS, and those of reports, are not told", async (t) => {
    const refused = { kind: "failed", reason: "refused", reply: null } as const;
    assert.equal((await told(t, {}, refused)).fact, null);
    const question = { ignoresPolicies: true };
    assert.equal((await told(t, { question }, { ...up, tls: null })).fact, null);
  });
});
