import assert from "node:assert/strict";
import { test } from "node:test";
import { QuotedPrintableDecoder } from "../../src/mail/quoted-printable-decoder.ts";

function decode(text: string) {
  const decoder = new QuotedPrintableDecoder();
  const octets = Buffer.concat([decoder.write(Buffer.from(text, "latin1")), decoder.end()]);
  return { text: octets.toString("latin1"), notes: decoder.notes() };
}

test("an octet begun at the very end stays as it is and is noted", () => {
  assert.deepEqual(decode("abc=4"), { text: "abc=4", notes: ["junk-in-quoted-printable"] });
});

test("an equals sign at the very end is a soft line break", () => {
  assert.deepEqual(decode("abc="), { text: "abc", notes: [] });
});

test("padding longer than a line is text, and noted", () => {
  const padded = `a=${" ".repeat(100)}\r\nb`;
  assert.deepEqual(decode(padded), { text: padded, notes: ["junk-in-quoted-printable"] });
});
