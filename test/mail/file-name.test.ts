import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fileNameReadings, hasDirectionOverride } from "../../src/mail/file-name.ts";

const EXECUTABLE: readonly (readonly [string, string])[] = [
  ["a plain name", "a.exe"],
  ["a trailing dot", "a.exe."],
  ["trailing dots and blanks", "a.exe. . "],
  ["a stream of NTFS", "a.exe::$DATA"],
  ["a named stream", "a.exe:b.txt"],
  ["a stream with that name", "a.txt:b.exe"],
  ["a NUL before another ending", "a.exe\0.txt"],
  ["a NUL inside", "a.e\0xe"],
  ["a right-to-left override", "a\u202efdp.exe"],
  ["an override that draws it", "a\u202eexe.txt\u202c.exe"],
  ["a zero-width blank inside", "a.e\u200bxe"],
  ["a soft hyphen inside", "a.ex\u00ade"],
  ["a byte order mark behind", "a.exe\ufeff"],
  ["a full-width dot", "a\uff0eexe"],
  ["full-width letters", "a.\uff45\uff58\uff45"],
  ["a folder", "c:\\windows\\a.exe"],
  ["a folder upward", "../../a.exe"],
  ["a slash behind", "a.exe/"],
  ["a line break", "a.exe\r\n"],
  ["a length over every limit", `${"a".repeat(100_000)}.exe`],
  ["a no-break space behind", "a.exe\u00a0"],
  ["a NUL in the midst of a long one", `${"a".repeat(250)}.exe\0${"b".repeat(5000)}.txt`],
  ["a stream behind a long one", `${"a".repeat(250)}.exe:${"b".repeat(255)}`],
  ["a NUL, a stream, an override and wide letters", "\uff41:b\0c:d\u202eexe.e:x"],
  ["a long run of dots behind", `a.exe${".".repeat(5000)}`],
  ["a long run of blanks behind", `a.exe${" ".repeat(5000)}`],
];

for (const [claim, raw] of EXECUTABLE) {
  test(`one reading of a name with ${claim} ends in .exe`, () => {
    const readings = fileNameReadings(raw);
    assert.ok(
      readings.some((name) => name.endsWith(".exe")),
      JSON.stringify(readings),
    );
  });
}

test("a disguised name is read as stored and as drawn", () => {
  const raw = "invoice\u202efdp.exe";
  assert.ok(hasDirectionOverride(raw));
  assert.deepEqual(fileNameReadings(raw), ["invoicefdp.exe", "invoiceexe.pdf"]);
});

test("the likeliest name comes first, and an honest one has one reading", () => {
  assert.deepEqual(fileNameReadings("Bericht 2026 (2).pdf"), ["Bericht 2026 (2).pdf"]);
  assert.deepEqual(fileNameReadings("e\u0301.txt"), ["\u00e9.txt"]);
  assert.deepEqual(fileNameReadings(".profile"), [".profile"]);
});

test("a name of nothing has no reading", () => {
  for (const raw of ["", " ", "...", "/", "\u200b", "\0"])
    assert.deepEqual(fileNameReadings(raw), []);
});

test("readings are few, short, without controls and folders, and stay what they are", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 2000 }), (raw) => {
      const readings = fileNameReadings(raw);
      assert.ok(readings.length <= 18, "three ways to end it, two forms, three parts of a stream");
      for (const name of readings) {
        assert.ok(name.length <= 2000 && name === name.trim());
        assert.doesNotMatch(name, /[\p{Cc}/\\]/u);
      }
    }),
  );
});
