import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parameterReadings } from "../../src/mail/parameter-readings.ts";
import { parseParameterised } from "../../src/mail/parameters.ts";

const readings = (value: string, name: string) =>
  parameterReadings(parseParameterised(value).parameters, name);

/** Values of Content-Disposition, and the names that some reader takes from them. */
const NAMES: readonly (readonly [string, string, readonly string[]])[] = [
  ["a plain word", "attachment; filename=a.exe", ["a.exe"]],
  ["a quoted string", 'attachment; FileName = "a b.exe"', ["a b.exe"]],
  ["a missing closing quote", 'attachment; filename="a.exe', ["a.exe"]],
  ["blanks without quotes", "attachment; filename=a b.exe", ["a b.exe", "a"]],
  ["a comment", "attachment; filename=a.exe (really)", ["a.exe", "a.exe (really)"]],
  ["a comment before", "attachment; (c) filename=(c)a.exe", ["a.exe", "(c)a.exe"]],
  ["two copies", "attachment; filename=a.txt; filename=b.exe", ["a.txt", "b.exe"]],
  ["no semicolon", 'attachment filename="a.exe"', ["a.exe"]],
  ["no semicolon between", 'attachment; x="y" filename="a.exe"', ["a.exe"]],
  ["no disposition", "filename=a.exe", ["a.exe"]],
  [
    "quoted pairs",
    String.raw`attachment; filename="a\"b\.exe"`,
    ['a"b.exe', String.raw`a\"b\.exe`],
  ],
  ["text behind the quotes", 'attachment; filename="a".exe', ["a", "a.exe"]],
  ["a name inside another's quotes", 'attachment; x="; filename=a.exe; y="', ["a.exe"]],
  ["an encoded word", "attachment; filename==?utf-8?q?a=2Eexe?=", ["a.exe"]],
  ["RFC 2231", "attachment; filename*=utf-8'en'%C3%A9.exe", ["é.exe"]],
  ["RFC 2231 without a charset", "attachment; filename*=a%2Eexe", ["a.exe"]],
  ["continuations", 'attachment; filename*1=".e"; filename*0="a"; filename*2=xe', ["a.exe"]],
  ["extended continuations", "attachment; filename*0*=utf-8''%C3; filename*1*=%A9.exe", ["é.exe"]],
  ["a gap in continuations", "attachment; filename*0=a; filename*7=.exe", ["a.exe"]],
  ["a double continuation", "attachment; filename*0=a.txt; filename*0=b.exe", ["a.txt", "b.exe"]],
  [
    "fallback and extended",
    "attachment; filename=e.pdf; filename*=utf-8''%C3%A9.pdf",
    ["e.pdf", "é.pdf"],
  ],
  ["raw UTF-8", "attachment; filename=\xc3\xa9.exe", ["é.exe"]],
];

for (const [claim, value, expected] of NAMES) {
  test(`a file name is found with ${claim}`, () => {
    const found = readings(value, "filename");
    for (const name of expected) assert.ok(found.includes(name), `${name} is not in ${found}`);
  });
}

test("the value before the parameters stands alone, lower case, without comments", () => {
  assert.equal(parseParameterised("(x) Text/(y)Plain ; a=b").main, "text/plain");
  assert.equal(parseParameterised("Text/Plain a=b").main, "text/plain");
  assert.equal(parseParameterised("").main, "");
});

test("names that are traps of objects are names like any other", () => {
  assert.deepEqual(readings("x; __proto__=a; constructor=b", "__proto__"), ["a"]);
  assert.deepEqual(readings("x; a=b", "toString"), []);
});

test("parameters that are not read are said to be missing", () => {
  const many = (text: string) => parseParameterised(`x${text.repeat(300)}; filename=a.exe`);
  assert.equal(many("; a=b").truncated, true);
  assert.equal(many(";").truncated, true);
  assert.equal(many(" a=b").truncated, true);
  assert.equal(many("; a=").truncated, true);
  assert.equal(parseParameterised(`x; a=${"b".repeat(5000)}`).truncated, true);
  assert.equal(parseParameterised("x; filename=a.exe").truncated, false);
});

test("no text makes it throw", () => {
  const piece = fc.constantFrom(
    "a",
    "=",
    ";",
    '"',
    "\\",
    "(",
    ")",
    " ",
    "*0*",
    "%4",
    "'",
    "=?u?q?",
  );
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      readings(pieces.join(""), "a");
    }),
    { numRuns: 500 },
  );
});
