import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compilePatterns } from "../../../src/stages/attachments/name-patterns.ts";

const matches = (pattern: string, name: string) => compilePatterns([pattern]).match(name) !== null;

test("a star stands for any characters, none included", () => {
  assert.ok(matches("*.exe", "setup.exe"));
  assert.ok(matches("*.exe", ".exe"));
  assert.ok(matches("*.exe", "pictures.jpg.exe"));
  assert.ok(!matches("*.exe", "setup.exe.pdf"));
  assert.ok(!matches("*.exe", "exe"));
  assert.ok(matches("*", "") && matches("*", "x"));
  assert.ok(matches("inv*_*.pdf", "invoice_2026.pdf"));
  assert.ok(!matches("inv*_*.pdf", "invoice-2026.pdf"));
});

test("a piece is not taken twice", () => {
  assert.ok(!matches("ab*ba", "aba"));
  assert.ok(matches("ab*ba", "abba"));
  assert.ok(!matches("*aa*aa*", "aaa"));
});

test("a question mark stands for exactly one character, also outside the basic plane", () => {
  assert.ok(matches("report?.doc", "report1.doc"));
  assert.ok(!matches("report?.doc", "report.doc"));
  assert.ok(matches("?.doc", "🙂.doc"));
  assert.ok(!matches("*.r??", "a.r1"));
});

test("case, composed letters, and what Windows drops at the end do not count", () => {
  for (const name of ["A.EXE", "a.EXE.", "a.exe . .", "a.exe\t"])
    assert.ok(matches("*.exe", name), name);
  assert.ok(matches("*.EXE", "a.exe"));
  assert.ok(matches("gr\u00fc\u00dfe*", "GRU\u0308ßE.txt"));
});

test("all else in a pattern stands for itself", () => {
  assert.ok(matches("a+(b)[c].{x}", "a+(b)[c].{x}"));
  assert.ok(!matches("a.c", "abc"));
  assert.ok(!matches("[abc].txt", "a.txt"));
});

test("of several patterns the first that matches is named as policy wrote it", () => {
  const list = compilePatterns(["*.COM", "*.exe", "*"]);
  assert.equal(list.match("a.exe"), "*.exe");
  assert.equal(list.match("a.com"), "*.COM");
  assert.equal(compilePatterns([]).match("a.exe"), null);
});

test("patterns match what the same pattern as an expression matches", () => {
  const word = fc.string({ unit: fc.constantFrom("a", "b", "."), maxLength: 12 });
  const pattern = fc.string({ unit: fc.constantFrom("a", "b", ".", "*", "?"), maxLength: 8 });
  fc.assert(
    fc.property(pattern, word, (glob, name) => {
      const source = glob.replaceAll(".", "\\.").replaceAll("?", ".").replaceAll("*", ".*");
      const trimmed = name.replace(/\.+$/, "");
      assert.equal(matches(glob, name), new RegExp(`^${source}$`).test(trimmed));
    }),
    { numRuns: 2000 },
  );
});

test("a pattern of many stars is not tried in all ways", () => {
  const pattern = `${"*a".repeat(100)}b`;
  assert.ok(!matches(pattern, "a".repeat(100_000)));
});
