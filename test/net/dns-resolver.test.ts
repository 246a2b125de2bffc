import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { createDnsResolver, type DnsResolverOptions } from "../../src/net/dns-resolver.ts";
import { createLookupScope } from "../../src/net/resolver.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { type FakeDnsOptions, type FakeZone, startFakeDns } from "../support/fake-dns.ts";

const ZONE: FakeZone = {
  "mail.example.org": { A: ["192.0.2.1", "192.0.2.2"], AAAA: ["2001:DB8:0:0:0:0:0:1"] },
  "example.org": {
    MX: [
      [20, "b.example.org"],
      [10, "a.example.org"],
    ],
    TXT: ["v=spf1 -all", ["one ", "and two"], "\xef\xbb\xbf"],
  },
  "null.example.org": { MX: [[0, ""]] },
  "1.2.0.192.in-addr.arpa": { PTR: ["mail.example.org"] },
  "alias.example.org": { CNAME: "Alias2.example.org" },
  "alias2.example.org": { CNAME: "mail.example.org" },
  "loop.example.org": { CNAME: "LOOP.example.org" },
  "dangling.example.org": { CNAME: "nowhere.example.org" },
};

type Options = Partial<DnsResolverOptions> & { readonly dns?: FakeDnsOptions };

/** A server, a resolver on a clock of its own, and a scope; the clock moves when a query is lost. */
async function setUp(t: TestContext, { dns: dnsOptions = {}, ...options }: Options = {}) {
  const dns = await startFakeDns(ZONE, dnsOptions);
  const clock = createFakeClock();
  dns.onDrop(() => void clock.advance(2000));
  const resolver = createDnsResolver({ clock, servers: [dns.address], ...options });
  t.after(async () => {
    resolver.close();
    await dns.close();
  });
  const scope = createLookupScope(new AbortController().signal);
  return { dns, clock, resolver, scope };
}

describe("the DNS resolver", () => {
  it("returns every type in its own shape", async (t) => {
    const { resolver, scope } = await setUp(t);
    const a = await resolver.lookup("Mail.Example.ORG.", "A", scope);
    assert.deepEqual(a, { kind: "found", records: ["192.0.2.1", "192.0.2.2"], ttlSeconds: 300 });
    const aaaa = await resolver.lookup("mail.example.org", "AAAA", scope);
    assert.deepEqual(aaaa.kind === "found" && aaaa.records, ["2001:db8::1"]);
    const mx = await resolver.lookup("example.org", "MX", scope);
    assert.deepEqual(mx.kind === "found" && mx.records, [
      { preference: 20, exchange: "b.example.org" },
      { preference: 10, exchange: "a.example.org" },
    ]);
    const ptr = await resolver.lookup("1.2.0.192.in-addr.arpa", "PTR", scope);
    assert.deepEqual(ptr.kind === "found" && ptr.records, ["mail.example.org"]);
  });

  it("joins the strings of a TXT record without a blank and keeps octets", async (t) => {
    const { resolver, scope } = await setUp(t);
    const txt = await resolver.lookup("example.org", "TXT", scope);
    assert.deepEqual(txt.kind === "found" && txt.records, [
      "v=spf1 -all",
      "one and two",
      "\xef\xbb\xbf",
    ]);
  });

  it("returns an empty exchange for a null MX", async (t) => {
    const { resolver, scope } = await setUp(t);
    const mx = await resolver.lookup("null.example.org", "MX", scope);
    assert.deepEqual(mx.kind === "found" && mx.records, [{ preference: 0, exchange: "" }]);
  });

  it("tells a missing name from a name without such records", async (t) => {
    const { resolver, scope } = await setUp(t);
    assert.deepEqual(await resolver.lookup("nowhere.example.org", "A", scope), {
      kind: "none",
      reason: "nxdomain",
    });
    assert.deepEqual(await resolver.lookup("mail.example.org", "MX", scope), {
      kind: "none",
      reason: "nodata",
    });
  });

  it("follows CNAME records in the answer without regard to case", async (t) => {
    const { resolver, scope } = await setUp(t);
    const answer = await resolver.lookup("alias.example.org", "A", scope);
    assert.deepEqual(answer.kind === "found" && answer.records, ["192.0.2.1", "192.0.2.2"]);
    assert.equal((await resolver.lookup("dangling.example.org", "A", scope)).kind, "none");
  });

  it("calls a loop of CNAME records temporary", async (t) => {
    const { resolver, scope } = await setUp(t);
    assert.equal((await resolver.lookup("loop.example.org", "A", scope)).kind, "temporary");
  });

  it("asks over IPv6 too", async (t) => {
    const { resolver, scope } = await setUp(t, { dns: { host: "::1" } });
    assert.equal((await resolver.lookup("mail.example.org", "A", scope)).kind, "found");
  });

  it("refuses names that may not be asked, and sends nothing", async (t) => {
    const { resolver, scope, dns } = await setUp(t);
    const bad = ["", ".", "a..b", ".a", "a b", "a\0b.org", "a\n.org", "ä.org", "x".repeat(64)];
    for (const name of [...bad, `${"a.".repeat(126)}ab`])
      assert.equal((await resolver.lookup(name, "A", scope)).kind, "refused", JSON.stringify(name));
    assert.equal(dns.queries.length, 0);
    assert.equal(resolver.networkQueries(), 0);
  });

  it("asks for printable names only when told so", async (t) => {
    const { resolver, scope } = await setUp(t);
    const name = "a+b c.example.org";
    assert.equal((await resolver.lookup(name, "A", scope)).kind, "refused");
    assert.deepEqual(await resolver.lookup(name, "A", scope, { names: "printable" }), {
      kind: "none",
      reason: "nxdomain",
    });
  });

  it("answers static hosts without asking", async (t) => {
    const { resolver, scope, dns } = await setUp(t, {
      hosts: { "Hub.internal": ["10.1.0.25", "fd00::25"], "v4.internal": "10.1.0.26" },
    });
    const lookups = [
      await resolver.lookup("hub.internal", "A", scope),
      await resolver.lookup("hub.internal.", "AAAA", scope),
      await resolver.lookup("25.0.1.10.in-addr.arpa", "PTR", scope),
    ];
    assert.deepEqual(
      lookups.map((lookup) => lookup.kind === "found" && lookup.records),
      [["10.1.0.25"], ["fd00::25"], ["hub.internal"]],
    );
    assert.equal((await resolver.lookup("v4.internal", "AAAA", scope)).kind, "none");
    assert.equal((await resolver.lookup("localhost", "A", scope)).kind, "found");
    assert.equal(dns.queries.length, 0);
  });

  it("is not made of servers or hosts that are no addresses", () => {
    const clock = createFakeClock();
    const wrongHost = { clock, hosts: { "hub.internal": "10.1.0" } };
    assert.throws(() => createDnsResolver(wrongHost), /hosts\.hub\.internal: expected an address/);
    const wrongServer = { clock, servers: ["dns.example.org"] };
    assert.throws(() => createDnsResolver(wrongServer), /dns\.servers: expected an address/);
  });
});

describe("when the server misbehaves, the DNS resolver", () => {
  it("asks once more after a lost query", async (t) => {
    const { resolver, scope, dns } = await setUp(t);
    dns.behave("mail.example.org", "drop", "answer");
    assert.equal((await resolver.lookup("mail.example.org", "A", scope)).kind, "found");
    assert.equal(resolver.networkQueries(), 2);
  });

  it("gives up after two time-outs with a temporary answer", async (t) => {
    const { resolver, scope, dns } = await setUp(t);
    dns.behave("mail.example.org", "drop");
    const answer = await resolver.lookup("mail.example.org", "A", scope);
    assert.deepEqual(answer, { kind: "temporary", reason: "no answer within 2000 ms" });
    assert.equal(dns.count("A mail.example.org"), 2);
  });

  it("calls SERVFAIL and REFUSED temporary and does not keep them", async (t) => {
    const { resolver, scope, dns } = await setUp(t);
    dns.behave("mail.example.org", "servfail", "refused", "answer");
    assert.equal((await resolver.lookup("mail.example.org", "A", scope)).kind, "temporary");
    assert.equal((await resolver.lookup("mail.example.org", "A", scope)).kind, "temporary");
    assert.equal((await resolver.lookup("mail.example.org", "A", scope)).kind, "found");
  });

  it("asks the second server when the first cannot answer", async (t) => {
    const broken = await startFakeDns({});
    t.after(() => broken.close());
    broken.behave("mail.example.org", "servfail");
    const good = await startFakeDns(ZONE);
    t.after(() => good.close());
    const servers = [broken.address, good.address];
    const { resolver, scope } = await setUp(t, { servers });
    assert.equal((await resolver.lookup("mail.example.org", "A", scope)).kind, "found");
  });

  it("turns to TCP for a truncated answer", async (t) => {
    const { resolver, scope, dns } = await setUp(t);
    dns.behave("mail.example.org", "truncate");
    assert.equal((await resolver.lookup("mail.example.org", "A", scope)).kind, "found");
    assert.deepEqual(dns.queries, ["A mail.example.org udp", "A mail.example.org tcp"]);
  });

  it("calls an answer temporary that is truncated or cut over TCP too", async (t) => {
    const { resolver, scope, dns } = await setUp(t);
    dns.behave("mail.example.org", "truncate-always");
    assert.equal((await resolver.lookup("mail.example.org", "A", scope)).kind, "temporary");
    dns.behave("mail.example.org", "cut-tcp");
    assert.equal((await resolver.lookup("mail.example.org", "A", scope)).kind, "temporary");
  });

  it("takes an answer of 60 KiB over TCP", async (t) => {
    const { resolver, scope, dns } = await setUp(t);
    const long = "x".repeat(60_000);
    dns.setZone({ "long.example.org": { TXT: [long] } });
    const answer = await resolver.lookup("long.example.org", "TXT", scope);
    assert.deepEqual(answer.kind === "found" && answer.records, [long]);
  });

  it("does not believe another id, question, port or rubbish", async (t) => {
    const { resolver, scope, dns } = await setUp(t);
    dns.behave("mail.example.org", "forge-then-answer");
    const answer = await resolver.lookup("mail.example.org", "A", scope);
    assert.deepEqual(answer.kind === "found" && answer.records, ["192.0.2.1", "192.0.2.2"]);
  });

  it("leaves a port at which somebody guesses ids", async (t) => {
    const { resolver, scope, dns } = await setUp(t);
    dns.behave("mail.example.org", "forge", "answer");
    assert.equal((await resolver.lookup("mail.example.org", "A", scope)).kind, "found");
    assert.equal(dns.count("A mail.example.org"), 2);
  });

  it("calls a closed port temporary", async (t) => {
    const gone = await startFakeDns({});
    await gone.close();
    const { resolver, scope } = await setUp(t, { servers: [gone.address] });
    assert.equal((await resolver.lookup("mail.example.org", "A", scope)).kind, "temporary");
  });
});

describe("the cache of the DNS resolver", () => {
  it("answers again without asking until the time of the record is over", async (t) => {
    const { resolver, scope, dns, clock } = await setUp(t);
    await resolver.lookup("mail.example.org", "A", scope);
    await clock.advance(100_000);
    const cached = await resolver.lookup("MAIL.example.org", "A", scope);
    assert.equal(cached.kind === "found" && cached.ttlSeconds, 200);
    await clock.advance(201_000);
    await resolver.lookup("mail.example.org", "A", scope);
    assert.equal(dns.queries.length, 2);
  });

  it("keeps a record of no time at all for a minute, and none for more than an hour", async (t) => {
    const { resolver, scope, dns, clock } = await setUp(t);
    dns.setZone({
      "zero.example.org": { A: ["192.0.2.1"], ttl: 0 },
      "year.example.org": { A: ["192.0.2.1"], ttl: 31_000_000 },
    });
    for (const name of ["zero.example.org", "year.example.org"])
      await resolver.lookup(name, "A", scope);
    await clock.advance(59_000);
    await resolver.lookup("zero.example.org", "A", scope);
    assert.equal(dns.queries.length, 2);
    await clock.advance(3_541_001);
    await resolver.lookup("year.example.org", "A", scope);
    assert.equal(dns.queries.length, 3);
  });

  it("keeps a missing name for the minimum of the SOA", async (t) => {
    const { resolver, scope, dns, clock } = await setUp(t, { dns: { negativeTtl: 30 } });
    await resolver.lookup("nowhere.example.org", "A", scope);
    await clock.advance(29_000);
    await resolver.lookup("nowhere.example.org", "A", scope);
    assert.equal(dns.queries.length, 1);
    await clock.advance(1_001);
    await resolver.lookup("nowhere.example.org", "A", scope);
    assert.equal(dns.queries.length, 2);
  });

  it("does not keep a missing name without an SOA", async (t) => {
    const { resolver, scope, dns } = await setUp(t, { dns: { negativeTtl: null } });
    await resolver.lookup("nowhere.example.org", "A", scope);
    await resolver.lookup("nowhere.example.org", "A", scope);
    assert.equal(dns.queries.length, 2);
  });

  it("is passed by when a fresh answer is wanted", async (t) => {
    const { resolver, scope, dns } = await setUp(t);
    await resolver.lookup("mail.example.org", "A", scope);
    await resolver.lookup("mail.example.org", "A", scope, { fresh: true });
    assert.equal(dns.queries.length, 2);
  });
});

describe("the limits of the DNS resolver", () => {
  it("let identical queries under way share one exchange and one unit of the budget", async (t) => {
    const { resolver, dns } = await setUp(t);
    const scope = createLookupScope(new AbortController().signal, 1);
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => resolver.lookup("mail.example.org", "A", scope)),
    );
    assert.ok(answers.every((answer) => answer.kind === "found"));
    assert.equal(dns.queries.length, 1);
  });

  it("stop a transaction that has used up its queries, but not its cached answers", async (t) => {
    const { resolver, dns } = await setUp(t);
    const scope = createLookupScope(new AbortController().signal, 1);
    assert.equal((await resolver.lookup("mail.example.org", "A", scope)).kind, "found");
    assert.equal((await resolver.lookup("example.org", "MX", scope)).kind, "exhausted");
    assert.equal((await resolver.lookup("mail.example.org", "A", scope)).kind, "found");
    assert.equal(dns.queries.length, 1);
  });

  it("fail queries beyond the queue at once", async (t) => {
    const { resolver, dns } = await setUp(t, { maxActive: 2, maxWaiting: 3 });
    const scope = createLookupScope(new AbortController().signal);
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) => resolver.lookup(`n${i}.example.org`, "A", scope)),
    );
    const kinds = answers.map((answer) => answer.kind);
    assert.equal(kinds.filter((kind) => kind === "none").length, 5);
    assert.equal(kinds.filter((kind) => kind === "temporary").length, 5);
    assert.equal(dns.queries.length, 5);
  });

  it("end a lookup when its transaction ends, without ending the same one of another", async (t) => {
    const { resolver, dns } = await setUp(t);
    dns.behave("mail.example.org", "drop", "answer");
    const leaving = new AbortController();
    const first = resolver.lookup("mail.example.org", "A", createLookupScope(leaving.signal));
    const staying = createLookupScope(new AbortController().signal);
    const second = resolver.lookup("mail.example.org", "A", staying);
    leaving.abort(new Error("client left"));
    assert.deepEqual(await first, { kind: "temporary", reason: "client left" });
    assert.equal((await second).kind, "found");
  });

  it("end every lookup when the resolver closes, and answer none after", async (t) => {
    const { resolver, scope, dns } = await setUp(t, { clock: createSystemClock() });
    dns.behave("mail.example.org", "drop");
    dns.onDrop(() => resolver.close());
    assert.equal((await resolver.lookup("mail.example.org", "A", scope)).kind, "temporary");
    assert.equal((await resolver.lookup("example.org", "MX", scope)).kind, "temporary");
    assert.equal(dns.queries.length, 1);
  });

  it("give up a query that nobody waits for any more, and free its place", async (t) => {
    const { resolver, dns } = await setUp(t, { maxActive: 1 });
    const leaving = new AbortController();
    const first = resolver.lookup("mail.example.org", "A", createLookupScope(leaving.signal));
    const second = resolver.lookup("example.org", "MX", createLookupScope(leaving.signal));
    leaving.abort(new Error("client left"));
    assert.equal((await first).kind, "temporary");
    assert.equal((await second).kind, "temporary");
    const scope = createLookupScope(new AbortController().signal);
    assert.equal((await resolver.lookup("null.example.org", "MX", scope)).kind, "found");
    assert.equal(dns.count("MX example.org"), 0);
  });

  it("do not let a transaction that is over ask anything", async (t) => {
    const { resolver, dns } = await setUp(t);
    const over = AbortSignal.abort(new Error("over"));
    const answer = await resolver.lookup("mail.example.org", "A", createLookupScope(over));
    assert.equal(answer.kind, "temporary");
    assert.equal(dns.queries.length, 0);
  });
});
