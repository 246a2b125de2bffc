import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { LineReader, MAX_SKIPPED_OCTETS } from "../../src/smtp/line-reader.ts";

/** Everything the reader says about the chunks, partial lines left out. */
function readAll(chunks: readonly string[], maxOctets = 20): readonly string[] {
  const reader = new LineReader(maxOctets);
  const said: string[] = [];
  for (const chunk of chunks) {
    let rest = Buffer.from(chunk, "latin1");
    while (rest.length > 0) {
      const step = reader.read(rest);
      assert(step.used > 0 && step.used <= rest.length);
      if (step.kind === "line") said.push(`line ${step.line.toString("latin1")}`);
      else if (step.kind !== "partial") said.push(step.kind);
      if (step.kind === "not-smtp") return said;
      rest = rest.subarray(step.used);
    }
  }
  return said;
}

test("CRLF ends a command, in whatever pieces it comes", () => {
  assert.deepEqual(readAll(["NOOP\r\nRSET\r\n\r\n"]), ["line NOOP", "line RSET", "line "]);
  assert.deepEqual(readAll(["NO", "OP", "\r", "\nRSET\r", "\n"]), ["line NOOP", "line RSET"]);
});

for (const text of ["\n", "NOOP\n", "NOOP\rRSET\r\n", "\r\r\n", "\rx", "NOOP\r\n\n"]) {
  test(`${JSON.stringify(text)} holds a line ending that is none`, () => {
    assert.equal(readAll([text]).at(-1), "not-smtp");
    assert.equal(readAll([...text]).at(-1), "not-smtp");
  });
}

test("a line may have as many octets as the limit, CRLF included, and no more", () => {
  assert.deepEqual(readAll([`${"x".repeat(18)}\r\n`]), [`line ${"x".repeat(18)}`]);
  assert.deepEqual(readAll([`${"x".repeat(19)}\r\n`]), ["too-long"]);
  assert.deepEqual(readAll([..."x".repeat(19), "\r\n"]), ["too-long"]);
});

test("what follows a line that is too long is read as usual", () => {
  const long = "x".repeat(5000);
  assert.deepEqual(readAll([`${long}\r\nNOOP\r\n`]), ["too-long", "line NOOP"]);
  assert.deepEqual(readAll([long, long, "\r", "\nNOOP\r\n"]), ["too-long", "line NOOP"]);
});

test("a line without end is given up", () => {
  const chunk = "x".repeat(1000);
  const chunks = Array<string>(Math.ceil(MAX_SKIPPED_OCTETS / 1000) + 1).fill(chunk);
  assert.deepEqual(readAll(chunks), ["not-smtp"]);
});

test("how the network cuts the lines changes nothing", () => {
  const piece = fc.constantFrom("NOOP", "\r\n", "\r", "\n", "x".repeat(15), "\r\n");
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 10 }), (pieces) => {
      const text = pieces.join("");
      const whole = readAll([text]);
      assert.deepEqual(readAll([...text]), whole);
      assert.deepEqual(readAll(pieces), whole);
    }),
    { numRuns: 2000 },
  );
});
