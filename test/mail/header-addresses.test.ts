import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type HeaderAddress, parseHeaderAddresses } from "../../src/mail/header-addresses.ts";
import { parseHeaderBlock } from "../../src/mail/header-block.ts";

const BEFORE = "Subject: x\r\n";

/** What is found in `To:`; checked to stand where it says. */
function addressesIn(value: string): readonly string[] | null {
  const text = `${BEFORE}To:${value}\r\n\r\n`;
  const [field] = parseHeaderBlock(Buffer.from(text, "latin1")).all("to");
  const found = parseHeaderAddresses(field!);
  for (const { localPart, localAt, domain, domainAt } of found ?? []) {
    assert.equal(text.slice(localAt, localAt + localPart.length), localPart);
    assert.equal(text.slice(domainAt, domainAt + domain.length), domain);
  }
  return found?.map(({ localPart, domain }: HeaderAddress) => `${localPart}@${domain}`) ?? null;
}

for (const [value, expected] of [
  [" a@x.test", ["a@x.test"]],
  ["a@x.test", ["a@x.test"]],
  [" <a@x.test>", ["a@x.test"]],
  [" Ann Other <a@x.test>, b@y.test", ["a@x.test", "b@y.test"]],
  [' "Other, Ann <no@z.test>" <a@x.test>', ["a@x.test"]],
  [' "say \\"b@y.test\\"" <a@x.test>', ["a@x.test"]],
  [" John Q. Public <a@x.test>", ["a@x.test"]],
  [" =?utf-8?Q?J=C3=B6rg?= <a@x.test>", ["a@x.test"]],
  [" J\xf6rg M\xfcller <a@x.test>", ["a@x.test"]],
  [" (b@y.test) a (at) @ (dot) x.test (that, is; all)", ["a@x.test"]],
  [" (deep (deeper (deepest) ) \\) ) a@x.test", ["a@x.test"]],
  [" <a@x.test> (end)", ["a@x.test"]],
  [" Ann\r\n Other\r\n\t<a@x.test>,\r\n b@y.test", ["a@x.test", "b@y.test"]],
  [" friends: a@x.test, B <b@y.test>;", ["a@x.test", "b@y.test"]],
  [' "our friends": a@x.test;, c@z.test', ["a@x.test", "c@z.test"]],
  [" undisclosed-recipients:;", []],
  ["", []],
  [" ,a@x.test,,b@y.test,", ["a@x.test", "b@y.test"]],
  [' "a b"@x.test', ['"a b"@x.test']],
  [" <a@[192.0.2.1]>", ["a@[192.0.2.1]"]],
  [" prvs=0123abcdef=a+b@x.test", ["prvs=0123abcdef=a+b@x.test"]],
] as const)
  test(`an address list is read: ${JSON.stringify(value)}`, () => {
    assert.deepEqual(addressesIn(value), expected);
  });

for (const value of [
  " a@x.test b@y.test",
  " a@x.test <b@y.test>",
  " <a@x.test> b@y.test",
  " <a@x.test",
  " a@x.test>",
  " <@relay.test:a@x.test>",
  " <@relay.test,@two.test:a@x.test>",
  " a@b@x.test",
  " a@",
  " @x.test",
  " a",
  " Ann",
  " <>",
  " a..b@x.test",
  " .a@x.test",
  " a@x..test",
  " a@x.test.",
  " a b@x.test",
  ' "a"."b"@x.test',
  ' "unended <a@x.test>',
  " (unended a@x.test",
  " a@x.test)",
  " one: two: a@x.test;;",
  " one: a@x.test",
  " one: a@x.test; b@y.test",
  " a@x.test;",
  " : a@x.test;",
  ' "a\r\nb" <a@x.test>',
  " a@x.test\0",
  " a@[x.test",
  " a@x.test \\",
] as const)
  test(`what follows no grammar is left alone: ${JSON.stringify(value)}`, () => {
    assert.equal(addressesIn(value), null);
  });

test("any text is read or refused, and what is found stands where it says", () => {
  const piece = fc.constantFrom(
    ...'<>@,;:()"\\[]. \t'.split(""),
    "\r\n ",
    "a",
    "x.test",
    "a@x.test",
    "<a@x.test>",
    "\xfc",
    "=?utf-8?q?x?=",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      for (const found of addressesIn(pieces.join("")) ?? []) assert.match(found, /^.+@.+$/s);
    }),
    { numRuns: 3000 },
  );
});
