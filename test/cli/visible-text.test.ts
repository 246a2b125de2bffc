import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  clip,
  displayWidth,
  isVisible,
  toJsonLine,
  toVisible,
} from "../../src/cli/visible-text.ts";

describe("visible text", () => {
  test("what would move, recolour, reorder or hide is written as an escape", () => {
    for (const [hostile, shown] of [
      ["\u001b[2J\u001b]0;title\u0007", "\\x1b[2J\\x1b]0;title\\x07"],
      ["a\r\nb\tc", "a\\r\\nb\\tc"],
      ["invoice\u202efdp.exe", "invoice\\u{202e}fdp.exe"],
      ["\u2066x\u2069", "\\u{2066}x\\u{2069}"],
      ["pay\u200bpal", "pay\\u{200b}pal"],
      ["\ufeffx", "\\u{feff}x"],
      ["\u2028\u2029", "\\u{2028}\\u{2029}"],
      ["\u009b31m\u007f", "\\x9b31m\\x7f"],
      ["\ud800", "\\u{d800}"],
      ["\u{e0041}", "\\u{e0041}"],
      ["soft\u00adhyphen", "soft\\xadhyphen"],
    ] as const) {
      assert.equal(toVisible(hostile), shown);
      assert.equal(isVisible(hostile), false);
    }
  });

  test("ordinary text of any language stays as it is", () => {
    for (const text of ["Grüße", "日本語の件名", "Привет", "שלום", "😀 ok", "e\u0301", ""]) {
      assert.equal(toVisible(text), text);
      assert.equal(isVisible(text), true);
    }
  });

  test("any text is one visible line afterwards", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const shown = toVisible(text);
        assert.equal(isVisible(shown), true);
        assert.equal(toVisible(shown), shown);
      }),
    );
  });

  test("a JSON line parses to the same value and is safe in a terminal", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.string({ unit: "binary" }), (value, text) => {
        const line = toJsonLine({ value, text });
        assert.equal(isVisible(line), true);
        assert.deepEqual(JSON.parse(line), JSON.parse(JSON.stringify({ value, text })));
      }),
    );
  });

  test("width is what a terminal draws, not how many units a string has", () => {
    for (const [text, width] of [
      ["abc", 3],
      ["日本", 4],
      ["e\u0301", 1],
      ["😀", 2],
      ["Ａ", 2],
      ["", 0],
    ] as const)
      assert.equal(displayWidth(text), width, text);
  });

  test("a clipped text is never wider than asked for and shows that it was cut", () => {
    assert.equal(clip("abcdef", 6), "abcdef");
    assert.equal(clip("abcdef", 5), "abcd…");
    assert.equal(clip("日本語", 4), "日…");
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme" }),
        fc.integer({ min: 1, max: 20 }),
        (text, columns) => {
          assert.ok(displayWidth(clip(text, columns)) <= columns);
        },
      ),
    );
  });

  test("a text of megabytes is clipped in no time", () => {
    const started = performance.now();
    for (const text of ["x".repeat(5_000_000), "\u0301".repeat(5_000_000), "語".repeat(2_000_000)])
      assert.ok(displayWidth(clip(text, 80)) <= 80);
    assert.ok(performance.now() - started < 2000);
  });
});
