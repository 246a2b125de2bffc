import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseHeaderBlock, trimBlanks } from "../../src/mail/header-block.ts";

const parse = (text: string) => parseHeaderBlock(Buffer.from(text, "latin1"));

test("a field keeps its name as written, its raw value with folds, and its exact position", () => {
  const { fields } = parse("Subject: one\r\n\ttwo\r\nX: y\r\n\r\nbody: no\r\n");
  assert.deepEqual(fields, [
    { name: "Subject", rawValue: " one\r\n\ttwo", start: 0, end: 20 },
    { name: "X", rawValue: " y", start: 20, end: 26 },
  ]);
});

test("names compare without case and without the blanks old syntax allows before the colon", () => {
  const block = parse("RECEIVED : a\r\nReceived: b\r\n");
  assert.equal(block.all("received").length, 2);
  assert.equal(block.first("Received"), "a");
  assert.equal(block.first("absent"), null);
});

test("a folded value is unfolded to one line", () => {
  assert.equal(parse("A: x\r\n y\r\n\t\r\n z \r\n").first("a"), "x y\t z");
});

test("names that are traps of objects are names like any other", () => {
  const block = parse("__proto__: a\r\nconstructor: b\r\n");
  assert.equal(block.first("__proto__"), "a");
  assert.equal(block.first("constructor"), "b");
  assert.equal(block.first("toString"), null);
});

test("a line without a colon is kept as a field without a name", () => {
  const { fields } = parse("A: 1\r\nnonsense\r\n more: x\r\nB: 2\r\n");
  assert.deepEqual(
    fields.map(({ name }) => name),
    ["A", "", "B"],
  );
  assert.equal(fields[1]?.rawValue, "nonsense\r\n more: x");
});

test("a first line that continues nothing has no name", () => {
  assert.equal(parse(" a: b\r\nC: d\r\n").fields[0]?.name, "");
});

test("trimming leaves the octet A0, which ends letters in UTF-8", () => {
  assert.equal(trimBlanks(" \t\xc3\xa0 \r\n"), "\xc3\xa0");
});

test("the fields of any octets lie end to end from the start", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom("a", ":", " ", "\t", "\r", "\n") }), (text) => {
      let at = 0;
      for (const field of parse(text).fields) {
        assert.equal(field.start, at);
        assert.ok(field.end > field.start);
        at = field.end;
      }
      assert.ok(at <= text.length);
    }),
  );
});
