import assert from "node:assert/strict";
import { test } from "node:test";
import { matchesFilter, parseAnswerFilter } from "../../../src/stages/dnsbl/answer-filter.ts";

function matches(filter: string, answer: string): boolean {
  const parsed = parseAnswerFilter(filter);
  assert.ok(parsed, filter);
  return matchesFilter(answer, parsed);
}

test("a filter is four numbers, each of which may be a range or a choice", () => {
  assert.ok(matches("127.0.0.2", "127.0.0.2"));
  assert.ok(!matches("127.0.0.2", "127.0.0.3"));
  assert.ok(matches("127.0.0.[2..11]", "127.0.0.2"));
  assert.ok(matches("127.0.0.[2..11]", "127.0.0.11"));
  assert.ok(!matches("127.0.0.[2..11]", "127.0.0.12"));
  assert.ok(!matches("127.0.0.[2..11]", "127.0.1.2"));
  assert.ok(matches("127.0.0.[4;6;10]", "127.0.0.6"));
  assert.ok(!matches("127.0.0.[4;6;10]", "127.0.0.5"));
  assert.ok(matches("127.0.0.[2..4;10]", "127.0.0.3"));
  assert.ok(matches("127.0.[0..255].[0..3]", "127.0.15.3"));
  assert.ok(!matches("127.0.[0..255].[0..3]", "127.0.15.4"));
});

test("no filter matches what is no IPv4 address", () => {
  for (const answer of ["", "127.0.0", "127.0.0.2.2", "::1", "127.0.0.02", "x"])
    assert.ok(!matches("127.[0..255].[0..255].[0..255]", answer), answer);
});

test("what is no filter is none", () => {
  const wrong = ["", "127.0.0", "127.0.0.2.3", "127.0.0.256", "127.0.0.[11..2]", "127.0.0.[2...4]"];
  wrong.push("127.0.0.[2", "127.0.0.2]", "127.0.0.[]", "127.0.0.[2;]", "127.0.0.[2,4]", "127..0.2");
  wrong.push("127.0.0.*", "127.0.0.2 ", "127.0.0.[2..4..6]", `127.0.0.[${"2;".repeat(500)}2]`);
  for (const text of wrong) assert.equal(parseAnswerFilter(text), null, text);
});

test("a filter outside 127.0.0.0/8 is none, because no list answers so", () => {
  for (const text of ["10.0.0.2", "[126..127].0.0.2", "[0..255].0.0.2"])
    assert.equal(parseAnswerFilter(text), null, text);
});
