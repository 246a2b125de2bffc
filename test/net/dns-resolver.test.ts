import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { describe, it } from "node:test";
import { createDnsResolver } from "../../src/net/dns-resolver.ts";
import { afterwards } from "../support/afterwards.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { startFakeDns } from "../support/fake-dns.ts";
import { setUpResolver, ZONE } from "./resolver-set-up.ts";

describe("the DNS resolver", () => {
  it("returns every type in its own shape", async (t) => {
    const { resolver, scope } = await setUpResolver(t);
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
    const { resolver, scope } = await setUpResolver(t);
    const txt = await resolver.lookup("example.org", "TXT", scope);
    assert.deepEqual(txt.kind === "found" && txt.records, [
      "v=spf1 -all",
      "one and two",
      "\xef\xbb\xbf",
    ]);
  });

  it("returns an empty exchange for a null MX", async (t) => {
    const { resolver, scope } = await setUpResolver(t);
    const mx = await resolver.lookup("null.example.org", "MX", scope);
    assert.deepEqual(mx.kind === "found" && mx.records, [{ preference: 0, exchange: "" }]);
  });

  it("tells a missing name from a name without such records", async (t) => {
    const { resolver, scope } = await setUpResolver(t);
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
    const { resolver, scope } = await setUpResolver(t);
    const answer = await resolver.lookup("alias.example.org", "A", scope);
    assert.deepEqual(answer.kind === "found" && answer.records, ["192.0.2.1", "192.0.2.2"]);
    assert.equal((await resolver.lookup("dangling.example.org", "A", scope)).kind, "none");
  });

  it("calls a loop of CNAME records temporary", async (t) => {
    const { resolver, scope } = await setUpResolver(t);
    assert.equal((await resolver.lookup("loop.example.org", "A", scope)).kind, "temporary");
  });

  it("asks over IPv6 too", async (t) => {
    const { resolver, scope } = await setUpResolver(t, { dns: { host: "::1" } });
    assert.equal((await resolver.lookup("mail.example.org", "A", scope)).kind, "found");
  });

  it("refuses names that may not be asked, and sends nothing", async (t) => {
    const { resolver, scope, dns } = await setUpResolver(t);
    const bad = ["", ".", "a..b", ".a", "a b", "a\0b.org", "a\n.org", "ä.org", "x".repeat(64)];
    for (const name of [...bad, `${"a.".repeat(126)}ab`])
      assert.equal((await resolver.lookup(name, "A", scope)).kind, "refused", JSON.stringify(name));
    assert.equal(dns.queries.length, 0);
    assert.equal(resolver.networkQueries(), 0);
  });

  it("asks for printable names only when told so", async (t) => {
    const { resolver, scope } = await setUpResolver(t);
    const name = "a+b c.example.org";
    assert.equal((await resolver.lookup(name, "A", scope)).kind, "refused");
    assert.deepEqual(await resolver.lookup(name, "A", scope, { names: "printable" }), {
      kind: "none",
      reason: "nxdomain",
    });
  });

  it("answers static hosts without asking", async (t) => {
    const { resolver, scope, dns } = await setUpResolver(t, {
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
    const { resolver, scope, dns } = await setUpResolver(t);
    dns.behave("mail.example.org", "drop", "answer");
    assert.equal((await resolver.lookup("mail.example.org", "A", scope)).kind, "found");
    assert.equal(resolver.networkQueries(), 2);
  });

  it("gives up after two time-outs with a temporary answer", async (t) => {
    const { resolver, scope, dns } = await setUpResolver(t);
    dns.behave("mail.example.org", "drop");
    const answer = await resolver.lookup("mail.example.org", "A", scope);
    assert.deepEqual(answer, { kind: "temporary", reason: "no answer within 2000 ms" });
    assert.equal(dns.count("A mail.example.org"), 2);
  });

  it("says in words that no server listens", async (t) => {
    const gone = await startFakeDns({});
    await gone.close();
    const { resolver, scope } = await setUpResolver(t, { servers: [gone.address] });
    const reason = "the DNS server cannot be asked: nothing listens there";
    const answer = await resolver.lookup("mail.example.org", "A", scope);
    assert.deepEqual(answer, { kind: "temporary", reason });
  });

  it("does not tell where a server stands that answers over UDP only", async (t) => {
    const half = createSocket("udp4");
    afterwards(t, () => half.close());
    half.on("message", (query, { port, address }) => {
      const answer = Buffer.from(query);
      answer[2] = (answer[2] ?? 0) | 0x82; // An answer, truncated.
      half.send(answer, port, address);
    });
    half.bind(0, "127.0.0.1");
    await once(half, "listening");
    const server = `127.0.0.1:${half.address().port}`;
    const { resolver, scope } = await setUpResolver(t, { servers: [server] });
    const answer = await resolver.lookup("mail.example.org", "A", scope);
    const reason = "the DNS server cannot be asked: nothing listens there";
    assert.deepEqual(answer, { kind: "temporary", reason });
  });

  it("calls SERVFAIL and REFUSED temporary and does not keep them", async (t) => {
    const { resolver, scope, dns } = await setUpResolver(t);
    dns.behave("mail.example.org", "servfail", "refused", "answer");
    assert.equal((await resolver.lookup("mail.example.org", "A", scope)).kind, "temporary");
    assert.equal((await resolver.lookup("mail.example.org", "A", scope)).kind, "temporary");
    assert.equal((await resolver.lookup("mail.example.org", "A", scope)).kind, "found");
  });

  it("asks the second server when the first cannot answer", async (t) => {
    const broken = await startFakeDns({});
    afterwards(t, () => broken.close());
    broken.behave("mail.example.org", "servfail");
    const good = await startFakeDns(ZONE);
    afterwards(t, () => good.close());
    const servers = [broken.address, good.address];
    const { resolver, scope } = await setUpResolver(t, { servers });
    assert.equal((await resolver.lookup("mail.example.org", "A", scope)).kind, "found");
  });

  it("turns to TCP for a truncated answer", async (t) => {
    const { resolver, scope, dns } = await setUpResolver(t);
    dns.behave("mail.example.org", "truncate");
    assert.equal((await resolver.lookup("mail.example.org", "A", scope)).kind, "found");
    assert.deepEqual(dns.queries, ["A mail.example.org udp", "A mail.example.org tcp"]);
  });

  it("calls an answer temporary that is truncated or cut over TCP too", async (t) => {
    const { resolver, scope, dns } = await setUpResolver(t);
    dns.behave("mail.example.org", "truncate-always");
    assert.equal((await resolver.lookup("mail.example.org", "A", scope)).kind, "temporary");
    dns.behave("mail.example.org", "cut-tcp");
    assert.equal((await resolver.lookup("mail.example.org", "A", scope)).kind, "temporary");
  });

  it("takes an answer of 60 KiB over TCP", async (t) => {
    const { resolver, scope, dns } = await setUpResolver(t);
    const long = "x".repeat(60_000);
    dns.setZone({ "long.example.org": { TXT: [long] } });
    const answer = await resolver.lookup("long.example.org", "TXT", scope);
    assert.deepEqual(answer.kind === "found" && answer.records, [long]);
  });

  it("does not believe another id, question, port or rubbish", async (t) => {
    const { resolver, scope, dns } = await setUpResolver(t);
    dns.behave("mail.example.org", "forge-then-answer");
    const answer = await resolver.lookup("mail.example.org", "A", scope);
    assert.deepEqual(answer.kind === "found" && answer.records, ["192.0.2.1", "192.0.2.2"]);
  });

  it("leaves a port at which somebody guesses ids", async (t) => {
    const { resolver, scope, dns } = await setUpResolver(t);
    dns.behave("mail.example.org", "forge", "answer");
    assert.equal((await resolver.lookup("mail.example.org", "A", scope)).kind, "found");
    assert.equal(dns.count("A mail.example.org"), 2);
  });
});
