import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type AskedSenderId, askSenderId } from "../../support/ask-sender-id.ts";
import type { Zone } from "../../support/zone-resolver.ts";

const ELSEWHERE = "198.51.100.66";

const records = (...texts: string[]): Zone => ({ "TXT example.com": texts });

async function only(zone: Zone, given: AskedSenderId = {}) {
  const { checks } = await askSenderId(zone, given);
  assert.equal(checks.length, 1);
  return checks[0]!;
}

test("include and redirect follow the records of the same scope and of no other", async () => {
  const zone: Zone = {
    ...records("spf2.0/pra include:in.test redirect=re.test", "spf2.0/mfrom include:in.test -all"),
    "TXT in.test": ["spf2.0/pra ip4:192.0.2.1", "spf2.0/mfrom ip4:192.168.0.100"],
    "TXT re.test": ["spf2.0/pra ip4:192.168.0.100", "v=spf1 -all"],
  };
  const { checks } = await askSenderId(zone, { scopes: ["pra", "mfrom"] });
  assert.deepEqual(
    checks.map(({ scope, result, mechanism }) => [scope, result, mechanism]),
    [
      ["pra", "pass", "ip4:192.168.0.100"],
      ["mfrom", "pass", "include:in.test"],
    ],
  );
  const old = { ...zone, "TXT in.test": ["v=spf1 ip4:192.168.0.100"] };
  assert.equal((await only(old)).result, "pass");
  assert.equal((await only(old, { usesVersion1: false })).result, "permerror");
});

test("all results of a record come out as they are", async () => {
  for (const [text, result, fault] of [
    ["spf2.0/pra ip4:192.168.0.100 -all", "pass", null],
    ["spf2.0/pra -all", "fail", "not-permitted"],
    ["spf2.0/pra ~all", "softfail", null],
    ["spf2.0/pra ?all", "neutral", null],
    ["spf2.0/pra a -all exp=why.test", "fail", "not-permitted"],
  ] as const) {
    const got = await only(records(text));
    assert.deepEqual([got.result, got.fault], [result, fault]);
    assert.deepEqual([got.header, got.sender], ["from", "alice@example.com"]);
  }
});

test("the responsible address is checked, whoever MAIL FROM is", async () => {
  const zone = { ...records("v=spf1 ip4:192.168.0.100 -all"), "TXT list.test": ["v=spf1 -all"] };
  const head = "From: alice@example.com\r\nSender: owner@list.test";
  const got = await only(zone, { head });
  assert.deepEqual([got.header, got.domain, got.result], ["sender", "list.test", "fail"]);
});

test("macros speak of the responsible address", async () => {
  const zone: Zone = {
    ...records("spf2.0/pra exists:%{l}.%{d}.%{o}.x.test -all"),
    "A alice.example.com.example.com.x.test": ["127.0.0.2"],
  };
  assert.equal((await only(zone)).result, "pass");
  assert.equal((await only(zone, { head: "From: bob@example.com" })).result, "fail");
});

describe("a fail without a record (RFC 4406 4.2, 4.3 and 5.3)", () => {
  test("nobody is responsible: nothing is asked", async () => {
    const asked: string[] = [];
    for (const [head, fault] of [
      ["Subject: x", "no-field"],
      ["From: a@b.test\r\nFrom: c@d.test", "several-froms"],
      ["From: a@b.test, c@d.test", "malformed"],
    ] as const) {
      const got = await only({}, { head, asked });
      assert.deepEqual([got.result, got.fault, got.header, got.sender], ["fail", fault, null, ""]);
    }
    assert.deepEqual(asked, []);
  });

  test("the domain of the responsible address does not exist, or is one word", async () => {
    assert.deepEqual(
      await Promise.all(
        ["From: a@nowhere.test", "From: a@localhost"].map(async (head) => {
          const { result, fault } = await only({}, { head });
          return [result, fault];
        }),
      ),
      [
        ["fail", "no-domain"],
        ["fail", "no-domain"],
      ],
    );
  });

  test("a domain that exists and has no record is none", async () => {
    const got = await only({ "A example.com": ["192.0.2.1"] });
    assert.deepEqual([got.result, got.fault], ["none", null]);
  });

  test("MAIL FROM at a domain that does not exist is none, as with SPF", async () => {
    assert.equal((await only({}, { scopes: ["mfrom"] })).result, "none");
  });

  test("a domain that only an include names may well not exist", async () => {
    const got = await only(records("spf2.0/pra include:nowhere.test -all"));
    assert.equal(got.result, "permerror");
  });
});

test("the null sender has no MAIL FROM to check, and its header still has an author", async () => {
  const zone = records("v=spf1 ip4:192.168.0.100 -all");
  const { checks } = await askSenderId(zone, { sender: null, scopes: ["pra", "mfrom"] });
  assert.deepEqual(
    checks.map(({ scope, result }) => [scope, result]),
    [["pra", "pass"]],
  );
});

test("DNS that is away is temporary, and a used-up budget never is a pass", async () => {
  assert.equal((await only({ "TXT example.com": "SERVFAIL" })).result, "temperror");
  const included = { ...records("spf2.0/pra include:a.test -all"), "TXT a.test": "time-out" };
  assert.equal((await only(included)).result, "temperror");
  const many = records(`spf2.0/pra ${"a:x.test ".repeat(11)}+all`);
  assert.equal((await only({ ...many, "A x.test": ["192.0.2.1"] })).result, "permerror");
  const voids = records("spf2.0/pra a:a.test a:b.test a:c.test +all");
  assert.equal((await only(voids)).result, "permerror");
});

test("an IPv6 client is checked as such, one mapped from IPv4 as that", async () => {
  const zone = records("spf2.0/pra ip6:2001:db8::/32 ip4:192.168.0.100 -all");
  assert.equal((await only(zone, { ip: "2001:db8::7" })).result, "pass");
  assert.equal((await only(zone, { ip: "::ffff:192.168.0.100" })).result, "pass");
  assert.equal((await only(zone, { ip: ELSEWHERE })).result, "fail");
});

test("the evidence is JSON with every answer of DNS", async () => {
  const got = await askSenderId(records("spf2.0/pra ~all"));
  assert.deepEqual(JSON.parse(JSON.stringify(got)), got);
  assert.deepEqual(got.checks[0]?.trace[0]?.lookups[0]?.records, ["spf2.0/pra ~all"]);
});
