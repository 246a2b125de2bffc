import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DataReader, type DataReaderOptions } from "../../src/smtp/data-reader.ts";

const LIMITS: DataReaderOptions = {
  lineEndings: "refuse",
  maxBytes: 10_000,
  maxHeaderBytes: 5000,
  maxHeaderLines: 100,
};

interface Outcome {
  readonly message: string;
  readonly fault: string | null;
  readonly ended: boolean;
  /** What would be read as commands. */
  readonly rest: string;
}

function readAll(chunks: readonly string[], options: Partial<DataReaderOptions> = {}): Outcome {
  const reader = new DataReader({ ...LIMITS, ...options });
  let message = "";
  let rest = "";
  let ended = false;
  for (const chunk of chunks) {
    if (ended) {
      rest += chunk;
      continue;
    }
    const octets = Buffer.from(chunk, "latin1");
    const step = reader.read(octets);
    message += step.payload.toString("latin1");
    rest = chunk.slice(step.used);
    ended = step.ended;
  }
  return { message, fault: reader.fault, ended, rest };
}

/** Slow and plain: what RFC 5321 4.5.2 says, over the whole text at once. */
function oracle(text: string): Outcome {
  const framed = `\r\n${text}`;
  const end = framed.indexOf("\r\n.\r\n");
  const raw = end < 0 ? framed : framed.slice(0, end + 2);
  const clean = raw.replaceAll("\r\n", "");
  const fault = /[\r\n\0]/.test(clean) ? "bare-line-ending" : null;
  return {
    message: raw.replaceAll("\r\n.", "\r\n").slice(2),
    fault,
    ended: end >= 0,
    rest: end < 0 ? "" : framed.slice(end + 5),
  };
}

const SPICE = ["\r\n", "\r", "\n", ".", "..", "\0", "a", "bc", ".\r\n", "\r\n.\r\n", "\r\n.."];
const pieces = fc
  .tuple(
    fc.constantFrom("", "A: b\r\n\r\n", "\r\n"),
    fc.array(fc.constantFrom(...SPICE), { maxLength: 14 }),
  )
  .map(([header, parts]) => `${header}${parts.join("")}\r\n.\r\nQUIT\r\n`);

test("whatever arrives, the end, the fault and the rest are those of RFC 5321", () => {
  fc.assert(
    fc.property(pieces, (text) => {
      const { message, ...seen } = readAll([text]);
      const { message: expected, ...rule } = oracle(text);
      assert.deepEqual(seen, rule);
      if (rule.fault === null) assert.equal(message, expected);
    }),
    { numRuns: 3000 },
  );
});

test("how the network cuts the message changes nothing", () => {
  fc.assert(
    fc.property(
      pieces,
      fc.array(fc.nat(40), { maxLength: 8 }),
      fc.constantFrom("refuse" as const, "normalise" as const),
      (text, cuts, lineEndings) => {
        const whole = readAll([text], { lineEndings });
        const cut = readAll(split(text, cuts), { lineEndings });
        assert.deepEqual(
          { ...cut, message: whole.fault === null ? cut.message : "" },
          { ...whole, message: whole.fault === null ? whole.message : "" },
        );
      },
    ),
    { numRuns: 3000 },
  );
});

test("normalised, every message has lines that end in CRLF only, and no fault", () => {
  fc.assert(
    fc.property(pieces, (text) => {
      const { message, fault, ended } = readAll([text], { lineEndings: "normalise" });
      assert.equal(fault, null);
      assert.equal(ended, true);
      assert.doesNotMatch(message.replaceAll("\r\n", ""), /[\r\n\0]/);
    }),
    { numRuns: 3000 },
  );
});

test("normalising ends lines and removes NUL, and still ends DATA at CRLF.CRLF only", () => {
  const seen = readAll(["a\nb\rc\r\r\nd\0e\n.\n\n.\r\n\r\n.\r\n"], { lineEndings: "normalise" });
  assert.equal(seen.message, "a\r\nb\r\nc\r\n\r\nde\r\n.\r\n\r\n.\r\n\r\n");
  assert.equal(seen.ended, true);
});

test("a dot is taken away only at the start of a line", () => {
  assert.equal(readAll(["..\r\n.a\r\na..\r\n...\r\n.\r\n"]).message, ".\r\na\r\na..\r\n..\r\n");
});

test("the first fault stays, and nothing of a faulty message is handed on any more", () => {
  const seen = readAll(["a\nb\r\n", "more\r\n", "\r\n.\r\n"], { maxBytes: 3 });
  assert.deepEqual(seen, { message: "", fault: "bare-line-ending", ended: true, rest: "" });
});

test("a message may be as large as the limit and no larger", () => {
  assert.equal(readAll(["12345678\r\n.\r\n"], { maxBytes: 10 }).fault, null);
  assert.equal(readAll(["123456789\r\n.\r\n"], { maxBytes: 10 }).fault, "too-large");
});

for (const lineEndings of ["refuse", "normalise"] as const) {
  test(`octets that are left out still count to the size (${lineEndings})`, () => {
    const reader = new DataReader({ ...LIMITS, lineEndings, maxBytes: 100 });
    for (let i = 0; i < 3; i++) reader.read(Buffer.alloc(50, i === 1 ? "\n" : "\0"));
    assert(reader.size >= 150);
  });
}

test("the header may have as many lines as the limit and no more, the body any number", () => {
  const lines = (count: number) => "a: b\r\n".repeat(count);
  const limit = { maxHeaderLines: 5 };
  assert.equal(readAll([`${lines(4)}\r\n${lines(50)}.\r\n`], limit).fault, null);
  assert.equal(readAll([`${lines(5)}\r\n.\r\n`], limit).fault, null);
  assert.equal(readAll([`${lines(6)}\r\n.\r\n`], limit).fault, "header-too-large");
});

test("the header may have as many octets as the limit and no more", () => {
  const limit = { maxHeaderBytes: 10 };
  assert.equal(readAll(["12345678\r\n\r\nbody\r\n.\r\n"], limit).fault, null);
  assert.equal(readAll(["123456789\r\n\r\n.\r\n"], limit).fault, "header-too-large");
  assert.equal(readAll(["1234567890 without end"], limit).fault, "header-too-large");
  assert.equal(readAll(["12345678\r\n", "\r", "\nbody\r\n.\r\n"], limit).fault, null);
});

function split(text: string, cuts: readonly number[]): readonly string[] {
  const at = [...cuts, text.length].sort((a, b) => a - b);
  return at.map((end, i) => text.slice(at[i - 1] ?? 0, end));
}
