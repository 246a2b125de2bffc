import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { checkSpf } from "../../../src/auth/spf/check-spf.ts";
import { parseSpfRecord } from "../../../src/auth/spf/spf-record.ts";
import { createLookupScope, type LookupScope } from "../../../src/net/resolver.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import type { FakeZone } from "../../support/fake-dns.ts";
import { fakedResolver } from "../../support/faked-resolver.ts";

interface Asked {
  readonly ip?: string;
  readonly localPart?: string;
  readonly domain?: string | null;
  readonly helo?: string;
  readonly scope?: LookupScope;
}

/** A zone behind a real server, and the question that a test asks of it. */
async function setUp(t: TestContext, zone: FakeZone) {
  const clock = createFakeClock();
  const { dns, resolver } = await fakedResolver(t, zone, clock);
  dns.onDrop(() => void clock.advance(2000));
  const check = ({
    ip = "192.0.2.1",
    localPart = "alice",
    domain = "example.org",
    helo = "mx.example.org",
    scope = createLookupScope(new AbortController().signal),
  }: Asked = {}) => {
    const sender = domain === null ? null : { spoken: "", localPart, domain };
    const question = { ip, sender, helo, receiver: "gw.example.net", receivedAt: clock.now() };
    return checkSpf(question, resolver, scope);
  };
  return { dns, check };
}

const txt = (...records: string[]) => ({ TXT: records });

test("the null sender is checked by the HELO name", async (t) => {
  const { check } = await setUp(t, { "mx.example.org": txt("v=spf1 ip4:192.0.2.1 -all") });
  const answer = await check({ domain: null });
  assert.equal(answer.result, "pass");
  assert.equal(answer.identity, "helo");
  assert.equal(answer.sender, "postmaster@mx.example.org");
  assert.equal(answer.mechanism, "ip4:192.0.2.1");
});

test("an address literal or a bare word has no SPF and asks nothing", async (t) => {
  const { check, dns } = await setUp(t, {});
  for (const helo of ["[192.0.2.1]", "localhost", "-", "com.", ""])
    assert.equal((await check({ domain: null, helo })).result, "none");
  assert.equal((await check({ domain: "[192.0.2.1]" })).result, "none");
  assert.equal(dns.queries.length, 0);
});

test("the trace tells each term, what it asked, and what came of it", async (t) => {
  const { check } = await setUp(t, {
    "example.org": txt("v=spf1 include:other.example a:mail.example.org ~all"),
    "other.example": txt("v=spf1 ip4:203.0.113.0/24 -all"),
    "mail.example.org": { A: ["192.0.2.1"] },
  });
  const { result, trace } = await check();
  assert.equal(result, "pass");
  assert.deepEqual(
    trace.map(({ domain, term, outcome }) => `${domain} ${term} ${outcome}`),
    [
      "example.org record found",
      "example.org include:other.example no match",
      "other.example record found",
      "other.example ip4:203.0.113.0/24 no match",
      "other.example -all match",
      "example.org a:mail.example.org match",
    ],
  );
  assert.deepEqual(trace[5]?.lookups, [
    { name: "mail.example.org", type: "A", kind: "found", records: ["192.0.2.1"] },
  ]);
  assert.deepEqual(JSON.parse(JSON.stringify(trace)), trace, "plain JSON");
});

test("a used-up budget is permerror wherever it happens, never a pass", async (t) => {
  const zone = {
    "example.org": txt("v=spf1 -ptr:bad.example -a:bad.example -mx:bad.example +all"),
    "1.2.0.192.in-addr.arpa": { PTR: ["x.bad.example"] },
    "x.bad.example": { A: ["192.0.2.9"] },
    "bad.example": { A: ["192.0.2.9"], MX: [[0, "y.bad.example"]] },
    "y.bad.example": { A: ["192.0.2.9"] },
  } satisfies FakeZone;
  const needed = 6;
  for (let queries = 0; queries <= needed; queries++) {
    const { check } = await setUp(t, zone);
    const scope = createLookupScope(new AbortController().signal, queries);
    const expected = queries === needed ? "pass" : "permerror";
    assert.equal((await check({ scope })).result, expected, `${queries} queries`);
  }
});

test("a check that is out of time is temperror, also behind a ptr that skips errors", async (t) => {
  const { check, dns } = await setUp(t, { "example.org": txt("v=spf1 -ptr:bad.example +all") });
  const leaving = new AbortController();
  dns.behave("1.2.0.192.in-addr.arpa", "drop");
  dns.onDrop(() => leaving.abort(new Error("not finished within 6000 ms")));
  const answer = await check({ scope: createLookupScope(leaving.signal) });
  assert.equal(answer.result, "temperror");
  assert.equal(answer.problem, "not finished in time");
});

test("DNS that is away is temperror; a record that is wrong is permerror", async (t) => {
  const { check, dns } = await setUp(t, { "wrong.example": txt("v=spf1 ipv4:192.0.2.1 -all") });
  dns.behave("example.org", "servfail");
  const away = await check();
  assert.deepEqual([away.result, away.problem], ["temperror", "the server said SERVFAIL"]);
  const wrong = await check({ domain: "wrong.example" });
  const problem = "an unknown mechanism: ipv4:192.0.2.1";
  assert.deepEqual([wrong.result, wrong.problem], ["permerror", problem]);
});

test("exchanges without AAAA are no void look-ups for a client of IPv6", async (t) => {
  const hosts = Array.from({ length: 5 }, (_, i) => `m${i}.example.org`);
  const { check } = await setUp(t, {
    "example.org": {
      ...txt("v=spf1 mx ip6:2001:db8::1 -all"),
      MX: hosts.map((host, i) => [i, host]),
    },
    ...Object.fromEntries(hosts.map((host) => [host, { A: ["192.0.2.1"] }])),
  });
  assert.equal((await check({ ip: "2001:db8::1" })).result, "pass");
});

test("the tenth exchange is looked at, an eleventh makes the record invalid", async (t) => {
  const exchanges = (count: number) =>
    Array.from({ length: count }, (_, i) => [i, `m${i}.example.org`] as const);
  const { check } = await setUp(t, {
    "ten.example": { ...txt("v=spf1 mx -all"), MX: exchanges(10) },
    "eleven.example": { ...txt("v=spf1 mx -all"), MX: exchanges(11) },
    "m9.example.org": { A: ["192.0.2.1"] },
  });
  assert.equal((await check({ domain: "ten.example" })).result, "pass");
  assert.equal((await check({ domain: "eleven.example" })).result, "permerror");
});

test("the tenth term that asks DNS is evaluated, the eleventh is permerror", async (t) => {
  const terms = (count: number) => "a:mail.example.org ".repeat(count);
  const { check } = await setUp(t, {
    "ten.example": txt(`v=spf1 ${terms(10)}ip4:192.0.2.1 -all`),
    "eleven.example": txt(`v=spf1 ${terms(11)}ip4:192.0.2.1 -all`),
    "macro.example": txt(`v=spf1 ${terms(9)}exists:%{p}.example.org ip4:192.0.2.1 -all`),
    "mail.example.org": { A: ["192.0.2.9"] },
  });
  assert.equal((await check({ domain: "ten.example" })).result, "pass");
  assert.equal((await check({ domain: "eleven.example" })).result, "permerror");
  assert.equal((await check({ domain: "macro.example" })).result, "permerror", "%{p} counts too");
});

test("records that include each other end in permerror after ten look-ups", async (t) => {
  const { check, dns } = await setUp(t, {
    "example.org": txt("v=spf1 include:a.example include:b.example -all"),
    "a.example": txt("v=spf1 include:b.example -all"),
    "b.example": txt("v=spf1 include:a.example redirect=example.org"),
  });
  assert.equal((await check()).result, "permerror");
  assert.ok(dns.queries.length <= 11);
});

test("an explanation is printable ASCII of bounded length", async (t) => {
  const { check } = await setUp(t, {
    "example.org": txt("v=spf1 -all exp=why.example.org"),
    "why.example.org": txt(`%{l} ${"may not ".repeat(100)}`),
  });
  const { result, explanation } = await check({ localPart: "ü\r\n\x1b[31m" });
  assert.equal(result, "fail");
  assert.match(explanation ?? "", /^[\x20-\x7e]{240}$/);
});

test("a local part with any printable character can be asked for", async (t) => {
  const { check } = await setUp(t, {
    "example.org": txt("v=spf1 exists:%{l}._user.%{d} -all"),
    "al+ice=x._user.example.org": { A: ["127.0.0.2"] },
  });
  assert.equal((await check({ localPart: "Al+Ice=x" })).result, "pass");
  assert.equal((await check({ localPart: "bob" })).result, "fail");
  assert.equal((await check({ localPart: "a\0" })).result, "fail");
});

test("no text makes the parser of records throw", () => {
  const piece = fc.constantFrom(
    "v=spf1",
    " ",
    "a",
    "mx:",
    "%{",
    "}",
    "/",
    "//",
    "-all",
    "exp=",
    ".b",
  );
  const text = fc.array(fc.oneof(piece, fc.string())).map((pieces) => `v=spf1 ${pieces.join("")}`);
  fc.assert(
    fc.property(text, (record) => void parseSpfRecord(record)),
    { numRuns: 3000 },
  );
});
