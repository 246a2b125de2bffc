import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { createLookupScope } from "../../src/net/resolver.ts";
import { setUpResolver } from "./resolver-set-up.ts";

describe("the cache of the DNS resolver", () => {
  it("answers again without asking until the time of the record is over", async (t) => {
    const { resolver, scope, dns, clock } = await setUpResolver(t);
    await resolver.lookup("mail.example.org", "A", scope);
    await clock.advance(100_000);
    const cached = await resolver.lookup("MAIL.example.org", "A", scope);
    assert.equal(cached.kind === "found" && cached.ttlSeconds, 200);
    await clock.advance(201_000);
    await resolver.lookup("mail.example.org", "A", scope);
    assert.equal(dns.queries.length, 2);
  });

  it("keeps a record of no time at all for a minute, and none for more than an hour", async (t) => {
    const { resolver, scope, dns, clock } = await setUpResolver(t);
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
    const { resolver, scope, dns, clock } = await setUpResolver(t, { dns: { negativeTtl: 30 } });
    await resolver.lookup("nowhere.example.org", "A", scope);
    await clock.advance(29_000);
    await resolver.lookup("nowhere.example.org", "A", scope);
    assert.equal(dns.queries.length, 1);
    await clock.advance(1_001);
    await resolver.lookup("nowhere.example.org", "A", scope);
    assert.equal(dns.queries.length, 2);
  });

  it("does not keep a missing name without an SOA", async (t) => {
    const { resolver, scope, dns } = await setUpResolver(t, { dns: { negativeTtl: null } });
    await resolver.lookup("nowhere.example.org", "A", scope);
    await resolver.lookup("nowhere.example.org", "A", scope);
    assert.equal(dns.queries.length, 2);
  });

  it("is passed by when a fresh answer is wanted", async (t) => {
    const { resolver, scope, dns } = await setUpResolver(t);
    await resolver.lookup("mail.example.org", "A", scope);
    await resolver.lookup("mail.example.org", "A", scope, { fresh: true });
    assert.equal(dns.queries.length, 2);
  });
});

describe("the limits of the DNS resolver", () => {
  it("let identical queries under way share one exchange and one unit of the budget", async (t) => {
    const { resolver, dns } = await setUpResolver(t);
    const scope = createLookupScope(new AbortController().signal, 1);
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => resolver.lookup("mail.example.org", "A", scope)),
    );
    assert.ok(answers.every((answer) => answer.kind === "found"));
    assert.equal(dns.queries.length, 1);
  });

  it("stop a transaction that has used up its queries, but not its cached answers", async (t) => {
    const { resolver, dns } = await setUpResolver(t);
    const scope = createLookupScope(new AbortController().signal, 1);
    assert.equal((await resolver.lookup("mail.example.org", "A", scope)).kind, "found");
    assert.equal((await resolver.lookup("example.org", "MX", scope)).kind, "exhausted");
    assert.equal((await resolver.lookup("mail.example.org", "A", scope)).kind, "found");
    assert.equal(dns.queries.length, 1);
  });

  it("fail queries beyond the queue at once", async (t) => {
    const { resolver, dns } = await setUpResolver(t, { maxActive: 2, maxWaiting: 3 });
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
    const { resolver, dns } = await setUpResolver(t);
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
    const { resolver, scope, dns } = await setUpResolver(t, { clock: createSystemClock() });
    dns.behave("mail.example.org", "drop");
    dns.onDrop(() => resolver.close());
    assert.equal((await resolver.lookup("mail.example.org", "A", scope)).kind, "temporary");
    assert.equal((await resolver.lookup("example.org", "MX", scope)).kind, "temporary");
    assert.equal(dns.queries.length, 1);
  });

  it("give up a query that nobody waits for any more, and free its place", async (t) => {
    const { resolver, dns } = await setUpResolver(t, { maxActive: 1 });
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
    const { resolver, dns } = await setUpResolver(t);
    const over = AbortSignal.abort(new Error("over"));
    const answer = await resolver.lookup("mail.example.org", "A", createLookupScope(over));
    assert.equal(answer.kind, "temporary");
    assert.equal(dns.queries.length, 0);
  });
});
