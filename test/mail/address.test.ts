import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseForwardPath, parseMailbox, parseReversePath } from "../../src/mail/address.ts";

const ascii = { smtpUtf8: false };
const utf8 = { smtpUtf8: true };
const of = (length: number) => "a".repeat(length);
/** A domain of exactly that many octets, of labels that are not too long. */
const domainOf = (length: number) => `${"x.".repeat((length - 2) / 2)}yz`;

/** Path as spoken after RCPT TO, and the domain that policy compares with. */
const ACCEPTED: readonly (readonly [path: string, domain: string])[] = [
  ["<alice@example.org>", "example.org"],
  ["<Alice@Example.ORG>", "example.org"],
  ["<a@b>", "b"],
  ["<alice@localhost>", "localhost"],
  ["<alice+tag@example.org>", "example.org"],
  ["<alice=bob@example.org>", "example.org"],
  ["<!#$%&'*+-/=?^_`{|}~@example.org>", "example.org"],
  ["<alice%other.test@example.org>", "example.org"],
  ["<other.test!alice@example.org>", "example.org"],
  ["<a.b.c@example.org>", "example.org"],
  ["<-@example.org>", "example.org"],
  ['<"john doe"@example.org>', "example.org"],
  ['<"a@other.test"@example.org>', "example.org"],
  ['<"a>b"@example.org>', "example.org"],
  ['<"a\\"b"@example.org>', "example.org"],
  ['<"a\\\\"@example.org>', "example.org"],
  ['<""@example.org>', "example.org"],
  ['<"..."@example.org>', "example.org"],
  ["<alice@mail_host.example.org>", "mail_host.example.org"],
  ["<alice@_dmarc.example.org>", "_dmarc.example.org"],
  ["<alice@123.example>", "123.example"],
  ["<alice@ab--cd.example>", "ab--cd.example"],
  ["<alice@xn--bcher-kva.example>", "xn--bcher-kva.example"],
  ["<alice@XN--BCHER-KVA.example>", "xn--bcher-kva.example"],
  ["<alice@[192.0.2.1]>", "[192.0.2.1]"],
  ["<alice@[IPv6:2001:db8::1]>", "[ipv6:2001:db8::1]"],
  ["<alice@[ipv6:2001:DB8:0:0:0:0:0:1]>", "[ipv6:2001:db8::1]"],
  ["<postmaster>", ""],
  ["<PostMaster>", ""],
  ["<postmaster@example.org>", "example.org"],
  [`<${of(64)}@example.org>`, "example.org"],
  [`<a@${of(63)}.example>`, `${of(63)}.example`],
  [`<a@${domainOf(252)}>`, domainOf(252)],
];

const REFUSED: readonly string[] = [
  "",
  "<",
  ">",
  "<>",
  "< >",
  "alice@example.org",
  "<alice@example.org",
  "alice@example.org>",
  "<<alice@example.org>>",
  "<alice>",
  "<@example.org>",
  "<alice@>",
  "<alice@@example.org>",
  "<alice@other.test@example.org>",
  "<alice@example.org@>",
  "<@relay.test:alice@example.org>",
  "<@a.test,@b.test:alice@example.org>",
  "<@relay.test>",
  "<alice@example.org.>",
  "<alice@.example.org>",
  "<alice@example..org>",
  "<alice@->",
  "<alice@-example.org>",
  "<alice@example-.org>",
  "<.alice@example.org>",
  "<alice.@example.org>",
  "<al..ice@example.org>",
  "<al ice@example.org>",
  "< alice@example.org>",
  "<alice@example.org >",
  "<alice @example.org>",
  "<alice@ example.org>",
  "<alice@exa mple.org>",
  "<alice\t@example.org>",
  "<alice\0@example.org>",
  "<alice@example.org\0.other.test>",
  "<alice\r\n@example.org>",
  '<"alice\r\n"@example.org>',
  '<"alice\0"@example.org>',
  '<"alice\x7f"@example.org>',
  '<"alice"x@example.org>',
  '<x"alice"@example.org>',
  '<"alice@example.org>',
  '<alice"@example.org>',
  '<"a"b"@example.org>',
  '<"a\\"@example.org>',
  '<"a"."b"@example.org>',
  "<alice(comment)@example.org>",
  "<(any@legit.test)alice@example.org>",
  "<alice@example.org(comment)>",
  "<alice,bob@example.org>",
  "<alice@example.org,bob@example.org>",
  "<alice;bob@example.org>",
  "<alice:bob@example.org>",
  "<al[ice@example.org>",
  "<alice\\@other.test@example.org>",
  "<alice@example.org/path>",
  "<alice@example.org%other.test>",
  "<alice@exam!ple.org>",
  "<alice@[192.0.2.1>",
  "<alice@192.0.2.1]>",
  "<alice@[]>",
  "<alice@[192.0.2]>",
  "<alice@[192.0.2.256]>",
  "<alice@[192.0.2.01]>",
  "<alice@[0xc0.0.2.1]>",
  "<alice@[192.0.2.1].example.org>",
  "<alice@[192.0.2.1]]>",
  "<alice@[2001:db8::1]>",
  "<alice@[IPv6:192.0.2.1]>",
  "<alice@[IPv6:fe80::1%eth0]>",
  "<alice@[IPv6:2001:db8::1::2]>",
  "<alice@[IPv6:]>",
  "<alice@[X400:c=us]>",
  "<alice@xn--example-.org>",
  "<alice@xn--a.example>",
  "<alice@xn--.example>",
  `<${of(65)}@example.org>`,
  `<"${of(63)}"@example.org>`,
  `<a@${of(64)}.example>`,
  `<a@${domainOf(254)}>`,
  `<a@${domainOf(256)}>`,
  "<postmaster@>",
  "<postmaster >",
  "<abuse>",
];

for (const [path, domain] of ACCEPTED) {
  test(`${shown(path)} is accepted and relayed as spoken`, () => {
    const result = parseForwardPath(path, ascii);
    assert(result.kind === "address");
    assert.equal(result.address.domain, domain);
    assert.equal(`<${result.address.spoken}>`, path);
  });
}

for (const path of REFUSED) {
  test(`${shown(path)} is refused, with and without SMTPUTF8`, () => {
    assert.equal(parseForwardPath(path, ascii).kind, "refused");
    assert.equal(parseForwardPath(path, utf8).kind, "refused");
    if (path !== "<>") assert.equal(parseReversePath(path, utf8).kind, "refused");
  });
}

const UTF8_ACCEPTED: readonly (readonly [path: string, domain: string])[] = [
  ["<käthe@example.org>", "example.org"],
  ["<用户@例子.广告>", "xn--fsqu00a.xn--4rr70v"],
  ["<alice@bücher.example>", "xn--bcher-kva.example"],
  ["<alice@Bücher.EXAMPLE>", "xn--bcher-kva.example"],
  ["<alice@faß.example>", "xn--fa-hia.example"],
  ['<"kä the"@example.org>', "example.org"],
];

for (const [path, domain] of UTF8_ACCEPTED) {
  test(`${shown(path)} needs SMTPUTF8 and is then relayed as spoken`, () => {
    assert.deepEqual(parseForwardPath(path, ascii), { kind: "refused", fault: "needs-smtputf8" });
    const result = parseForwardPath(path, utf8);
    assert(result.kind === "address");
    assert.equal(result.address.domain, domain);
    assert.equal(`<${result.address.spoken}>`, path);
  });
}

const UTF8_REFUSED: readonly string[] = [
  "<alice@ｅxample.org>",
  "<alice@example。org>",
  "<alice@example\u200b.org>",
  "<alice@exam\u00adple.org>",
  "<alice＠other.test@example.org>",
  "<alice＠example.org>",
  "<ａlice@example.org>",
  "<alice\u0085@example.org>",
  "<alice\u2028@example.org>",
  "<alice\u202e@example.org>",
  "<alice\u200b@example.org>",
  "<alice\ufeff@example.org>",
  "<alice\ufffe@example.org>",
  '<"alice\u0000ü"@example.org>',
  `<${"ü".repeat(33)}@example.org>`,
];

for (const path of UTF8_REFUSED) {
  test(`${shown(path)} is refused although SMTPUTF8 was asked for`, () => {
    assert.equal(parseForwardPath(path, utf8).kind, "refused");
    assert.equal(parseReversePath(path, utf8).kind, "refused");
  });
}

test("the null reverse-path is told apart from every address", () => {
  assert.deepEqual(parseReversePath("<>", ascii), { kind: "null" });
});

test("a bare postmaster is a recipient and never a sender", () => {
  assert.equal(parseReversePath("<postmaster>", ascii).kind, "refused");
});

test("a length beyond RFC 5321 is named as such", () => {
  assert.deepEqual(parseForwardPath(`<${of(65)}@example.org>`, ascii), {
    kind: "refused",
    fault: "too-long",
  });
});

test("an operator writes a mailbox without brackets", () => {
  assert.equal(parseMailbox("Alice@Example.org")?.domain, "example.org");
  assert.equal(parseMailbox("käthe@bücher.example")?.domain, "xn--bcher-kva.example");
  assert.equal(parseMailbox("<alice@example.org>"), null);
  assert.equal(parseMailbox("postmaster"), null);
});

const SPICE = ["@", "<", ">", '"', "\\", ".", "[", "]", ":", ",", " ", "\0", "\r", "\n", "%", "!"];
const hostile = fc
  .array(fc.oneof(fc.constantFrom(...SPICE, "a", "example.org", "ü", "＠"), fc.string()), {
    maxLength: 12,
  })
  .map((parts) => `<${parts.join("")}>`);

test("whatever is accepted has one domain, no controls, and is spoken unchanged", () => {
  fc.assert(
    fc.property(hostile, fc.boolean(), (path, smtpUtf8) => {
      const result = parseForwardPath(path, { smtpUtf8 });
      if (result.kind !== "address") return;
      const { spoken, localPart, domain } = result.address;
      assert.equal(`<${spoken}>`, path);
      assert.doesNotMatch(spoken, /[\x00-\x1f\x7f]/);
      assert.doesNotMatch(domain, /[@<>"\s,]/);
      if (!localPart.startsWith('"')) assert.doesNotMatch(localPart, /[@<>\s,:;()]/);
      if (domain !== "") assert(spoken.startsWith(`${localPart}@`));
    }),
    { numRuns: 3000 },
  );
});

test("an address is read the same way again from its own form", () => {
  fc.assert(
    fc.property(fc.emailAddress(), (text) => {
      const address = parseMailbox(text);
      if (address === null) return;
      const again = parseForwardPath(`<${address.spoken}>`, ascii);
      assert.deepEqual(again, { kind: "address", address });
    }),
  );
});

test("a long hostile address costs linear time", () => {
  for (const piece of ["a.", '"a', "\\\\", "@", "[", "xn--"]) {
    const path = `<${piece.repeat(500_000)}>`;
    assert.equal(parseForwardPath(path, utf8).kind, "refused");
  }
});

function shown(path: string): string {
  const text = path.length > 60 ? `${path.slice(0, 57)}... (${path.length})` : path;
  return JSON.stringify(text);
}
