import assert from "node:assert/strict";
import { test } from "node:test";
import { authenticationResults } from "../../src/gateway/auth-headers.ts";
import { receivedSpf } from "../../src/gateway/received-spf.ts";
import { sealMessage } from "../support/arc-sealer.ts";
import { makeEd25519Key, makeRsaKey, signMessage } from "../support/dkim-signer.ts";
import { type JudgedMail, judgeSender } from "../support/judge-stages.ts";
import { mx, toZoneResolver, type Zone } from "../support/zone-resolver.ts";

const RSA = makeRsaKey(1024);
const ED25519 = makeEd25519Key();
const CLIENT = "192.0.2.1";
const ZONE: Zone = {
  "TXT friend.test": [`v=spf1 ip4:${CLIENT} -all`],
  "MX friend.test": [mx(10, "mail.friend.test")],
  "TXT _dmarc.friend.test": ["v=DMARC1; p=reject"],
  "TXT rsa._domainkey.friend.test": [RSA.record],
  "TXT ed._domainkey.friend.test": [ED25519.record],
  "TXT rsa._domainkey.first.test": [RSA.record],
  "TXT rsa._domainkey.second.test": [RSA.record],
};
const ACCESS = { allow: [{ sender: { domains: ["friend.test"] }, reason: "x", scope: ["spf"] }] };

/** Octet by octet only what is small: a chunk costs more than its octets. */
const CHUNKS = [1, 7, 65_536] as const;
const SMALL_CHARS = 6000;
const HEAD = "From: Jane <jane@friend.test>\r\nTo: bob@example.org\r\nSubject: Hello\r\n";

/** What ends of lines, blanks and dots do at the edge of a chunk is what a hash may trip over. */
const BODIES: Readonly<Record<string, string>> = {
  "a line": "Hello\r\n",
  nothing: "",
  "line ends alone": "\r\n".repeat(20),
  "blanks at the ends of lines": "a \t \r\n \t\r\nb  c\t\td \r\n".repeat(9),
  "a last line without an end": "Hello\r\n\r\nBye",
  "text behind many empty lines": `Hello${"\r\n".repeat(30)}Bye\r\n\r\n\r\n`,
  "more than a chunk": `${"0123456789 abcdef \r\n".repeat(3400)}end\r\n\r\n`,
  "octets above 127": "\xff\xfe\xc3\xbc \xa0\r\n".repeat(5),
};

const SIGNERS = [
  { key: RSA, selector: "rsa", c: "relaxed/relaxed" },
  { key: RSA, selector: "rsa", c: "simple/simple" },
  { key: ED25519, selector: "ed", c: "relaxed/simple" },
] as const;

function sign(message: string, options: object = {}): string {
  return SIGNERS.reduce(
    (text, signer) => signMessage(text, { ...signer, domain: "friend.test", ...options }),
    message,
  );
}

/** All that depends on the message, which is everything but how long it took. */
async function judge(message: string, chunkBytes: number) {
  const mail: JudgedMail = {
    message,
    chunkBytes,
    all: true,
    ip: CLIENT,
    helo: "mail.friend.test",
    sender: "jane@friend.test",
    resolver: toZoneResolver(ZONE),
    options: { "sender-access": ACCESS, "from-access": ACCESS },
  };
  const reports = await judgeSender(mail);
  return {
    reports: reports.map(({ ms: _ms, ...rest }) => rest),
    results: authenticationResults("gw.example.net", reports),
    receivedSpf: receivedSpf("gw.example.net", reports),
  };
}

/** As it comes from two lists in a row, the second of which we trust. */
function seal(message: string): string {
  const results = "dmarc=pass header.from=friend.test";
  const options = { key: RSA, selector: "rsa", results, signed: "from:to:subject" };
  const once = sealMessage(message, { ...options, domain: "first.test" });
  return sealMessage(once, { ...options, domain: "second.test", c: "simple/simple" });
}

async function assertSame(message: string) {
  const sizes = CHUNKS.filter((size) => size > 1 || message.length <= SMALL_CHARS);
  const [first, ...others] = await Promise.all(sizes.map((size) => judge(message, size)));
  for (const other of others) assert.deepEqual(other, first);
  return first?.results ?? "";
}

for (const [name, body] of Object.entries(BODIES))
  test(`a signed and sealed body of ${name} is judged the same by every stage, however it was cut`, async () => {
    const results = await assertSame(seal(sign(`${HEAD}\r\n${body}`)));
    assert.match(results, /; arc=pass /);
    assert.match(results, /^gw\.example\.net; spf=pass /);
    assert.match(results, /; sender-id=pass /);
    assert.equal(results.match(/dkim=pass/g)?.length, SIGNERS.length, results);
    assert.match(results, /dmarc=pass header\.from=friend\.test/);
  });

test("what was changed, appended or cut short fails the same, however it was cut", async () => {
  const long = sign(`${HEAD}\r\n${BODIES["more than a chunk"]}`);
  const good = sign(`${HEAD}\r\n0123456789\r\nBye\r\n`);
  const length = "Hello\r\n".length;
  for (const message of [
    `${long}PS\r\n`,
    good.replace("0123456789", "0123456780"),
    `${good}PS\r\n`,
    good.slice(0, -5),
    good.replace("Subject: Hello", "Subject: Pay"),
    seal(good).replace("0123456789", "0123456780"),
    `${sign(`${HEAD}\r\nHello\r\n`, { length })}PS\r\n`,
  ])
    assert.doesNotMatch(await assertSame(message), /dkim=pass/);
  for (const message of [good.replace("From: ", "From : "), `From: eve@evil.test\r\n${good}`])
    assert.doesNotMatch(await assertSame(message), /dmarc=pass/);
});

test("a header without an end, or without a body, is judged the same, however it was cut", async () => {
  for (const message of [
    sign(`${HEAD}\r\n`),
    HEAD,
    `${HEAD}X-Long: ${"x".repeat(70_000)}\r\n\r\nx\r\n`,
  ])
    await assertSame(message);
});
