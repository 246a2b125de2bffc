import assert from "node:assert/strict";
import { test } from "node:test";
import { authenticationResults } from "../../src/gateway/auth-headers.ts";
import { receivedSpf } from "../../src/gateway/received-spf.ts";
import { foldHeader } from "../../src/mail/fold-header.ts";
import { type JudgedMail, judgeSender } from "../support/judge-stages.ts";
import { toZoneResolver, type Zone } from "../support/zone-resolver.ts";

const OURS = "mx.example.org";
const CLIENT = "192.0.2.1";

async function fieldOf(zone: Zone, mail: Partial<JudgedMail> = {}): Promise<string> {
  const reports = await judgeSender({
    message: "From: a@b.test\r\nSubject: x\r\n\r\nx\r\n",
    ip: CLIENT,
    sender: "carol@friend.test",
    helo: "mail.friend.test",
    resolver: toZoneResolver(zone),
    ...mail,
  });
  const [value = "", ...rest] = receivedSpf(OURS, reports);
  assert.equal(rest.length, 0);
  return value;
}

/** The grammar of RFC 7208 9.1 and nothing else; throws on whatever does not follow it. */
function parseReceivedSpf(value: string) {
  const head = /^(\w+) \(((?:[^()\\]|\\.)*)\) /.exec(value);
  assert.ok(head, value);
  const pairs: (readonly [string, string])[] = [];
  let rest = value.slice(head[0].length);
  while (rest !== "") {
    const pair =
      /^([a-z][a-z0-9-]*)=(?:"((?:[^"\\]|\\.)*)"|([\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*))(?:; |$)/.exec(
        rest,
      );
    assert.ok(pair, `no pair: ${rest}`);
    pairs.push([pair[1] ?? "", pair[3] ?? (pair[2] ?? "").replace(/\\(.)/g, "$1")]);
    rest = rest.slice(pair[0].length);
  }
  const keys = pairs.map(([key]) => key);
  assert.equal(new Set(keys).size, keys.length, `a key twice: ${value}`);
  return { result: head[1], comment: head[2] ?? "", ...Object.fromEntries(pairs) };
}

for (const [result, zone, more] of [
  ["pass", { "TXT friend.test": ["v=spf1 ip4:192.0.2.1 -all"] }, { mechanism: "ip4:192.0.2.1" }],
  ["fail", { "TXT friend.test": ["v=spf1 -all"] }, { mechanism: "-all" }],
  ["softfail", { "TXT friend.test": ["v=spf1 ~all"] }, { mechanism: "~all" }],
  ["neutral", { "TXT friend.test": ["v=spf1 ip4:192.0.2.9"] }, { mechanism: "default" }],
  ["none", {}, {}],
  ["temperror", { "TXT friend.test": "SERVFAIL" }, { problem: "SERVFAIL" }],
] as const)
  test(`${result}: one field with every pair that RFC 7208 9.1 has for it`, async () => {
    const { comment, ...rest } = parseReceivedSpf(await fieldOf(zone as Zone));
    assert.match(comment, /^mx\.example\.org: .* friend\.test$/);
    assert.deepEqual(rest, {
      result,
      receiver: OURS,
      "client-ip": CLIENT,
      identity: "mailfrom",
      "envelope-from": "carol@friend.test",
      helo: "mail.friend.test",
      ...more,
    });
  });

test("permerror tells the problem and the term that has it", async () => {
  const zone = { "TXT friend.test": ["v=spf1 include:nowhere.test -all"] };
  const field = parseReceivedSpf(await fieldOf(zone)) as Record<string, string>;
  assert.equal(field.result, "permerror");
  assert.notEqual(field.problem ?? "", "");
});

test("the null sender is checked by HELO, and the field says so", async () => {
  const zone = { "TXT mail.friend.test": ["v=spf1 ip4:192.0.2.1 -all"] };
  const field = parseReceivedSpf(await fieldOf(zone, { sender: null })) as Record<string, string>;
  assert.deepEqual(
    [field.result, field.identity, field.helo, field["envelope-from"]],
    ["pass", "helo", "mail.friend.test", "postmaster@mail.friend.test"],
  );
});

test("an IPv6 client, a HELO literal and an IDN are valid values", async () => {
  const field = parseReceivedSpf(
    await fieldOf(
      { "TXT xn--bcher-kva.test": ["v=spf1 ip6:2001:db8::/32 -all"] },
      { ip: "2001:db8::1", helo: "[IPv6:2001:db8::1]", sender: "a@bücher.test" },
    ),
  ) as Record<string, string>;
  assert.deepEqual(
    [field["client-ip"], field.helo, field["envelope-from"], field.mechanism],
    ["2001:db8::1", "[IPv6:2001:db8::1]", "a@xn--bcher-kva.test", "ip6:2001:db8::/32"],
  );
});

test("a HELO name that was checked too has a field and a result of its own, and proves no sender", async () => {
  const zone = {
    "TXT mail.friend.test": ["v=spf1 ip4:192.0.2.1 -all"],
    "TXT friend.test": ["v=spf1 -all"],
    "TXT _dmarc.mail.friend.test": ["v=DMARC1; p=reject; aspf=s"],
  };
  const reports = await judgeSender({
    message: "From: a@mail.friend.test\r\nSubject: x\r\n\r\nx\r\n",
    ...{ ip: CLIENT, sender: "carol@friend.test", helo: "mail.friend.test" },
    resolver: toZoneResolver(zone),
    options: { spf: { helo: "always" } },
  });
  const fields = receivedSpf(OURS, reports).map(
    (value) => parseReceivedSpf(value) as Record<string, string>,
  );
  assert.deepEqual(
    fields.map((field) => [field.result, field.identity, field.mechanism]),
    [
      ["fail", "mailfrom", "-all"],
      ["pass", "helo", "ip4:192.0.2.1"],
    ],
  );
  assert.match(
    authenticationResults(OURS, reports),
    /; spf=fail smtp\.mailfrom=friend\.test; spf=pass smtp\.helo=mail\.friend\.test; .*dmarc=fail/,
  );
});

test("nothing was checked: there is no field", () => {
  assert.deepEqual(receivedSpf(OURS, []), []);
});

const HOSTILE_LOCAL_PARTS = [
  '"x; client-ip=203.0.113.9"',
  '"x\\"; client-ip=203.0.113.9; y=\\""',
  '"x) pass (y"',
  '"\\\\"',
  '"\\\\\\""',
  '"a@victim.test"',
  '" "',
  "x=pass",
  "a'b`c{d}|~",
  "$x$",
  "m\u00fcller",
];
const HOSTILE_HELOS = ["[192.0.2.25]", "a_b.test", "x", "localhost.localdomain", "123"];

test("no sender, HELO or record adds a pair, changes one, or leaves the grammar", async () => {
  const zone = { "TXT friend.test": ["v=spf1 -all"] };
  for (const localPart of HOSTILE_LOCAL_PARTS)
    for (const helo of HOSTILE_HELOS) {
      const value = await fieldOf(zone, { sender: `${localPart}@friend.test`, helo });
      const field = parseReceivedSpf(value) as Record<string, string>;
      assert.deepEqual(
        [field.result, field["client-ip"], field.receiver, field.identity],
        ["fail", CLIENT, OURS, "mailfrom"],
        value,
      );
      assert.equal(/client-ip="?([\d.]+)/.exec(value)?.[1], CLIENT, "the first one is ours");
      assert.ok(foldHeader("Received-SPF", value).split("\r\n").length > 2);
    }
});

test("a term of a record is a value like any other, and is cut", async () => {
  for (const term of [
    "exists:%{l}.x;client-ip=1.2.3.4",
    'exists:a"b.test',
    "exists:a\\b.test",
    "include:x)y(z.test",
    `a:${"x".repeat(60)}.`.repeat(30),
    "\u0000\r\nX: y",
    "ip4:192.0.2.1\u00ff",
  ]) {
    const value = await fieldOf({ "TXT friend.test": [`v=spf1 ${term} -all`] });
    const field = parseReceivedSpf(value) as Record<string, string>;
    assert.equal(field["client-ip"], CLIENT, value);
    assert.ok(value.length < 2000, String(value.length));
    foldHeader("Received-SPF", value);
  }
});

test("values of Authentication-Results are tokens of RFC 2045, or quoted", async () => {
  for (const sender of ["carol@friend.test", '"a;b"@friend.test', "a@[IPv6:2001:db8::1]"]) {
    const reports = await judgeSender({
      message: "From: a@b.test\r\nSubject: x\r\n\r\nx\r\n",
      sender,
      resolver: toZoneResolver({}),
    });
    const value = authenticationResults(OURS, reports);
    for (const [, text] of value.matchAll(/[a-z]+\.[a-z]+=("(?:[^"\\]|\\.)*"|[^ ;]*)/g))
      assert.match(text ?? "", /^(?:"(?:[^"\\]|\\.)*"|[A-Za-z0-9.!#$%&'*+^_`{|}~-]+)$/);
  }
});
