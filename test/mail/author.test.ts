import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readAuthor, readAuthors } from "../../src/mail/author.ts";
import { parseHeaderBlock } from "../../src/mail/header-block.ts";

const read = (head: string) =>
  readAuthor(parseHeaderBlock(Buffer.from(`${head}\r\n\r\nbody\r\n`, "latin1")));
const utf8 = (text: string) => Buffer.from(text).toString("latin1");

function faultOf(head: string): string {
  const author = read(head);
  return author.kind === "malformed" ? author.fault : `${author.localPart}@${author.domain}`;
}

test("one mailbox in any of its honest forms is read with what people are shown", () => {
  for (const [head, address, display] of [
    ["From: alice@example.org", "alice@example.org", ""],
    ["from:<alice@Example.ORG>", "alice@example.org", ""],
    ["From: Alice Doe <alice@example.org>", "alice@example.org", "Alice Doe"],
    ['From: "Doe, Alice" <alice@example.org>', "alice@example.org", "Doe, Alice"],
    ['From: "a\\"b" <alice@example.org>', "alice@example.org", "a\\ b"],
    ["From: Alice A. Doe <alice@example.org>", "alice@example.org", "Alice A. Doe"],
    ["From: alice@example.org (Alice)", "alice@example.org", "(Alice)"],
    ["From: (x@victim.test) alice@example.org", "alice@example.org", "(x@victim.test)"],
    ["From: =?utf-8?q?J=C3=A4ne?= <a@example.org>", "a@example.org", "Jäne"],
    ['From: "very odd"@example.org', '"very odd"@example.org', ""],
    ["From:\r\n Alice\r\n\t<alice@example.org>", "alice@example.org", "Alice"],
    [utf8("From: Jäne <jäne@bücher.example>"), "jäne@xn--bcher-kva.example", "Jäne"],
  ] as const) {
    const author = read(head);
    assert.ok(author.kind === "mailbox", head);
    assert.equal(`${author.localPart}@${author.domain}`, address);
    assert.equal(author.display, display);
  }
});

test("whatever two readers could take for two senders is malformed, with the reason", () => {
  for (const [head, fault] of [
    ["Subject: x", "missing"],
    ["From: a@b.test\r\nFrom: c@d.test", "several-fields"],
    ["From: a@b.test\r\nfrom : c@d.test", "several-fields"],
    ["From: a@b.test\r\nFrom\0: c@d.test", "several-fields"],
    ["From: a@b.test\r\nFrom\r\n : c@d.test", "several-fields"],
    ["\xef\xbb\xbfFrom: c@d.test", "field-name"],
    ["From : a@b.test", "field-name"],
    ["From\t: a@b.test", "field-name"],
    ["F\x01rom: a@b.test", "field-name"],
    [" From: a@b.test\r\nFrom: c@d.test", "several-fields"],
    ["From: a@b.test\0@c.test", "control-character"],
    ['From: "a\0b" <a@b.test>', "control-character"],
    ["From: =?utf-8?q?ceo=00?= <a@b.test>", "control-character"],
    ["From: =?utf-8?b?YQANCg==?= <a@b.test>", "control-character"],
    ["From:\r\n \r\n a@b.test", "folding"],
    ["From: a@b.test\r\n\t ", "folding"],
    ["From: a@b.test, c@d.test", "several-mailboxes"],
    ["From: <a@b.test>, <c@d.test>", "several-mailboxes"],
    ["From: ,a@b.test", "several-mailboxes"],
    ["From: a@b.test,", "several-mailboxes"],
    ["From: team: a@b.test;", "group"],
    ["From: undisclosed:;", "group"],
    ["From: a@b.test;", "group"],
    ["From: <@c.test:a@b.test>", "route"],
    ["From: <@c.test,@d.test:a@b.test>", "route"],
    ["From: a@b@c.test", "syntax"],
    ["From: <a@b.test:c@d.test>", "route"],
    ["From: =?utf-8?q?a=40victim.test?=@b.test", "encoded-address"],
    ["From: <=?utf-8?q?a?=@b.test>", "encoded-address"],
    ["From: =?utf-8?b?PGFAdmljdGltLnRlc3Q+?=", "syntax"],
    ["From:", "syntax"],
    ["From: Alice", "syntax"],
    ["From: <>", "syntax"],
    ["From: a@", "syntax"],
    ["From: @b.test", "syntax"],
    ["From: a b@c.test", "syntax"],
    ["From: <a@b.test> <c@d.test>", "syntax"],
    ["From: <a@b.test>c@d.test", "syntax"],
    ["From: <<a@b.test>>", "syntax"],
    ["From: <a@b.test", "syntax"],
    ["From: a@b.test>", "syntax"],
    ["From: a@b.test (open", "syntax"],
    ["From: <a(x)@b.test>", "syntax"],
    ["From: <a@(x)b.test>", "syntax"],
    ["From: < a@b.test>", "syntax"],
    ["From: <a@b.test >", "syntax"],
    ["From: a @b.test", "syntax"],
    ["From: a@[192.0.2.1]", "syntax"],
    ["From: a@b..test", "syntax"],
    ["From: a..b@c.test", "syntax"],
    ["From: a@b_\xff.test", "syntax"],
    [utf8("From: a@ｖictim.test"), "syntax"],
    [utf8("From: a\u202e@b.test"), "syntax"],
    ['From: "unclosed <a@b.test>', "syntax"],
    ["From: a@b.test\r\n (c", "syntax"],
    [`From: ${"a".repeat(65)}@b.test`, "syntax"],
  ] as const)
    assert.equal(faultOf(head), fault, JSON.stringify(head));
});

test("the domain that is read is never one that does not stand in the field", () => {
  const piece = fc.constantFrom(
    "a@evil.test",
    "<",
    ">",
    "@",
    "victim.test",
    ",",
    ";",
    ":",
    '"',
    "(",
    ")",
    "\\",
    " ",
    "\r\n ",
    "=?utf-8?q?",
    "?=",
    "\0",
    "x",
    ".",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const value = pieces.join("");
      const author = read(`From: ${value}`);
      if (author.kind === "mailbox") assert.ok(value.includes(`@${author.domain}`), value);
    }),
    { numRuns: 2000 },
  );
});

test("several mailboxes are read each as if it stood alone", () => {
  const authors = (head: string) =>
    readAuthors(parseHeaderBlock(Buffer.from(`${head}\r\n\r\n`, "latin1"))).map((author) =>
      author.kind === "malformed" ? author.fault : `${author.localPart}@${author.domain}`,
    );
  for (const [head, expected] of [
    ["From: a@b.test", ["a@b.test"]],
    ['From: "x, y" <a@b.test>,\r\n c@D.test (z, w)', ["a@b.test", "c@d.test"]],
    ["From: a@b.test, group: c@d.test;", ["a@b.test", "group"]],
    ["From: a@b.test,, c@d.test", ["a@b.test", "syntax", "c@d.test"]],
    ["From: a@b.test, (open c@d.test", ["a@b.test", "syntax"]],
    ["From: a@b.test, =?utf-8?q?c?=@d.test", ["a@b.test", "encoded-address"]],
    ["From: a@b.test\r\nFrom: c@d.test", ["several-fields"]],
    ["From : a@b.test, c@d.test", ["field-name"]],
    ["From: a@b.test,\0 c@d.test", ["control-character"]],
    ["Subject: x", ["missing"]],
    [`From: ${"a@b.test,".repeat(20)}a@b.test`, ["several-mailboxes"]],
  ] as const)
    assert.deepEqual(authors(head), expected, head);
});
