import assert from "node:assert/strict";
import { test } from "node:test";
import { parseHeaderBlock } from "../../src/mail/header-block.ts";
import { findAddresses } from "../../src/stages/rewriting/find-addresses.ts";

/** As much as a session lets in, and eight times that: what is quadratic would take 64 times. */
const SIZES = [256 * 1024, 8 * 256 * 1024] as const;
const LIMIT_MS = 6000;

for (const [what, piece, head, tail] of [
  ["addresses", "a@x.test,", "", "a@x.test"],
  ["commas", ",", "", ""],
  ["blanks", " ", "", "a@x.test"],
  ["folds", "\r\n ", "", "a@x.test"],
  ["open comments", "(", "", ""],
  ["comments in each other", "(", "", ")"],
  ["comments", "()", "", "a@x.test"],
  ["open quotes", '"', "", ""],
  ["quotes", '""', "", "<a@x.test>"],
  ["one long quote that does not end", "a", '"', ""],
  ["backslashes", "\\", '"', ""],
  ["one long quote", "\\a", '"', '" <a@x.test>'],
  ["open angles", "<", "", ""],
  ["words", "a ", "", "<a@x.test>"],
  ["dots", ".", "", "@x.test"],
  ["one long word", "a", "", "@x.test"],
  ["open brackets", "[", "a@", ""],
  ["one long literal", "a", "a@[", "]"],
  ["groups", "a:b@x.test;,", "", ""],
  ["octets above 127", "\xff", "", "<a@x.test>"],
  ["folded addresses", "a@x.test,\r\n ", "", "a@x.test"],
] as const)
  test(`${what}: a header of them is read in linear time`, () => {
    for (const size of SIZES) {
      const value = head + piece.repeat(Math.floor(size / piece.length)) + tail;
      const headers = parseHeaderBlock(Buffer.from(`To: ${value}\r\n\r\n`, "latin1"));
      const started = performance.now();
      const { addresses } = findAddresses(headers, ["To"]);
      const ms = performance.now() - started;
      assert.ok(ms < LIMIT_MS, `${ms} ms for ${size} octets`);
      assert.ok(addresses.length <= 1000, "evidence stays small");
    }
  });
