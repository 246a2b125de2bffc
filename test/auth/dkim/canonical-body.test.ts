import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createCanonicalBody } from "../../../src/auth/dkim/canonical-body.ts";
import { canonicalBody } from "../../support/dkim-signer.ts";

const MODES = ["simple", "relaxed"] as const;

function canonical(mode: (typeof MODES)[number], chunks: readonly Buffer[]): string {
  let text = "";
  const body = createCanonicalBody(mode, (octets) => {
    text += octets.toString("latin1");
  });
  for (const chunk of chunks) body.write(chunk);
  assert.equal(body.end(), text.length);
  return text;
}

function cut(text: string, size: number): readonly Buffer[] {
  const bytes = Buffer.from(text, "latin1");
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
    bytes.subarray(i * size, (i + 1) * size),
  );
}

test("the examples of RFC 6376 3.4.5 come out as they stand there", () => {
  const body = " C \r\nD \t E\r\n\r\n\r\n";
  assert.equal(canonical("relaxed", [Buffer.from(body)]), " C\r\nD E\r\n");
  assert.equal(canonical("simple", [Buffer.from(body)]), " C \r\nD \t E\r\n");
});

test("an empty body is one line end when simple, and nothing when relaxed", () => {
  for (const body of ["", "\r\n", "\r\n\r\n\r\n"]) {
    assert.equal(canonical("simple", [Buffer.from(body)]), "\r\n");
    assert.equal(canonical("relaxed", [Buffer.from(body)]), "");
  }
  assert.equal(canonical("relaxed", [Buffer.from(" \t\r\n  ")]), "");
});

test("a last line without its end gets one, empty lines before text stay", () => {
  assert.equal(canonical("simple", [Buffer.from("\r\n\r\na")]), "\r\n\r\na\r\n");
  assert.equal(canonical("relaxed", [Buffer.from("\r\n \r\na  ")]), "\r\n\r\na\r\n");
});

test("a bare CR or LF is a letter like any other", () => {
  assert.equal(canonical("simple", [Buffer.from("a\rb\nc\r\r\n\n\r\n")]), "a\rb\nc\r\r\n\n\r\n");
  assert.equal(canonical("relaxed", [Buffer.from("a \rb\nc\r")]), "a \rb\nc\r\r\n");
});

test("whatever the body and however it is cut, the canonical form is that of the whole", () => {
  const pieces = fc.constantFrom("\r\n", "\r\n\r\n", " ", "\t", "a", "bc", "\xe9", "  \r\n", ".");
  const bodies = fc.array(pieces, { maxLength: 60 }).map((parts) => parts.join(""));
  fc.assert(
    fc.property(bodies, fc.constantFrom(1, 2, 3, 7, 65_536), (body, size) => {
      for (const mode of MODES)
        assert.equal(canonical(mode, cut(body, size)), canonicalBody(body, mode));
    }),
    { numRuns: 500 },
  );
});

test("a body of line ends alone keeps nothing in memory and comes out whole when text follows", () => {
  const ends = "\r\n".repeat(100_000);
  assert.equal(canonical("relaxed", cut(`${ends}x`, 65_536)), `${ends}x\r\n`);
  assert.equal(canonical("simple", cut(`${ends}x`, 65_536)), `${ends}x\r\n`);
});
