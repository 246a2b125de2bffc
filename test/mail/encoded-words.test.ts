import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeHeaderText, hasEncodedWord } from "../../src/mail/encoded-words.ts";

const latin1 = (text: string) => Buffer.from(text, "utf8").toString("latin1");

test("encoded words are decoded in both encodings and any case", () => {
  assert.equal(decodeHeaderText("=?UTF-8?B?w6l0w6k=?="), "été");
  assert.equal(decodeHeaderText("=?iso-8859-1?q?=e9t=E9_2?= x"), "été 2 x");
});

test("blanks between encoded words vanish, other blanks stay", () => {
  assert.equal(decodeHeaderText("a =?utf-8?q?b?= \r\n =?utf-8?q?c?= d"), "a bc d");
});

test("a letter split over two encoded words is whole again", () => {
  assert.equal(decodeHeaderText("=?utf-8?q?=C3?= =?utf-8?q?=A9?="), "é");
});

test("a language tag is allowed and ignored", () => {
  assert.equal(decodeHeaderText("=?utf-8*en?q?x?="), "x");
});

test("raw octets are UTF-8 when they can be, else Windows-1252", () => {
  assert.equal(decodeHeaderText(latin1("été")), "été");
  assert.equal(decodeHeaderText("\xe9t\xe9"), "été");
});

test("an unknown charset keeps what can be read", () => {
  assert.equal(decodeHeaderText("=?x-unknown?q?abc?="), "abc");
});

test("what is no encoded word stays as it is", () => {
  for (const text of ["=?utf-8?x?a?=", "=?utf-8?q?a", "=??q?a?=", "a=b?c"]) {
    assert.equal(decodeHeaderText(text), text);
    assert.equal(hasEncodedWord(text), false);
  }
});

test("line breaks and NUL inside encoded words become blanks", () => {
  assert.equal(decodeHeaderText("=?utf-8?q?a=0D=0ABcc:_x=00?="), "a Bcc: x");
});

test("nothing that a sender writes makes it throw", () => {
  const piece = fc.constantFrom(
    "=?",
    "utf-8",
    "utf-16",
    "?",
    "q",
    "b",
    "?=",
    "=C3",
    "AA",
    " ",
    "*",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
      decodeHeaderText(pieces.join(""));
    }),
  );
});
