import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { foldHeader } from "../../src/mail/fold-header.ts";

test("a short value stays on one line", () => {
  assert.equal(foldHeader("A", "b c"), "A: b c\r\n");
});

test("a long value is folded at blanks within 78 characters", () => {
  const lines = foldHeader("X-Report", "symbol=1.5 ".repeat(30).trim()).split("\r\n");
  assert.ok(lines.length > 4);
  for (const line of lines) assert.ok(line.length <= 78, line);
});

test("a word longer than a line may be is cut at 998 characters", () => {
  for (const line of foldHeader("X", "a".repeat(3000)).split("\r\n")) {
    assert.ok(line.length <= 998);
  }
});

test("line breaks, NUL and non-ASCII are refused in names and values", () => {
  for (const bad of ["a\rb", "a\nb", "a\r\n b", "a\0b", "\u00e9", "\u2028", "\x7f"]) {
    assert.throws(() => foldHeader("X", bad), TypeError);
    assert.throws(() => foldHeader(`X${bad}`, "v"), TypeError);
  }
  for (const name of ["", "a b", "a:b", "a ".repeat(200)]) {
    assert.throws(() => foldHeader(name, "v"), TypeError);
  }
});

test("unfolding gives the value back, and no line is blank", () => {
  const value = fc.string({ unit: fc.constantFrom("a", "bc", " ", "\t", "x".repeat(80)) });
  fc.assert(
    fc.property(value, (text) => {
      const folded = foldHeader("Name", text);
      assert.ok(folded.endsWith("\r\n"));
      const lines = folded.slice(0, -2).split("\r\n");
      for (const line of lines) assert.match(line, /[^\t ]/);
      assert.equal(lines.join("").trimEnd(), `Name: ${text}`.trimEnd());
    }),
  );
});
