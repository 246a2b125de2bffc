import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { beginSasl, SASL_MECHANISMS, type SaslStep } from "../../src/smtp/sasl-exchange.ts";

const RUNS = process.env.POSTERN_TEST_FULL ? 100_000 : 1000;

const toBase64 = (text: string | Buffer) => Buffer.from(text).toString("base64");

/** What a client says, one line a step, until nothing more is asked of it. */
function play(mechanism: string, lines: readonly string[]): SaslStep {
  let step = beginSasl(mechanism, null);
  assert.ok(step !== null);
  for (const line of lines) if (step.kind === "challenge") step = step.answer(line);
  return step;
}

/** What neither mechanism can carry is not in it; lone surrogates are no text. */
const field = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 80 })
  .filter((text) => !text.includes("\0") && text.isWellFormed());

test("name and password arrive as they were sent, by either mechanism, in one line or in more", () => {
  fc.assert(
    fc.property(field, field, fc.boolean(), (name, password, isDoubled) => {
      const expected = { kind: "credentials", name, password };
      const plain = toBase64(`${isDoubled ? name : ""}\0${name}\0${password}`);
      assert.deepEqual(play("PLAIN", [plain]), expected);
      assert.deepEqual(beginSasl("plain", plain), expected);
      assert.deepEqual(play("LOGIN", [toBase64(name), toBase64(password)]), expected);
      const asked = beginSasl("login", toBase64(name));
      assert.ok(asked?.kind === "challenge");
      assert.deepEqual(asked.answer(toBase64(password)), expected);
    }),
    { numRuns: RUNS },
  );
});

test("whatever a client answers, the exchange ends, and only whole fields are credentials", () => {
  const line = fc.oneof(
    fc.string({ unit: "binary", maxLength: 40 }),
    fc.uint8Array({ maxLength: 40 }).map((octets) => toBase64(Buffer.from(octets))),
    fc.base64String({ maxLength: 40 }),
    fc.constantFrom("*", "=", "", "QUIT", "**"),
  );
  fc.assert(
    fc.property(fc.constantFrom(...SASL_MECHANISMS), fc.array(line), (mechanism, lines) => {
      const step = play(mechanism, lines);
      if (step.kind === "challenge") assert.ok(lines.length < 2, "asked for ever");
      if (step.kind !== "credentials") return;
      for (const text of [step.name, step.password]) {
        assert.notEqual(text, "");
        assert.ok(!text.includes("\0"));
      }
      const said = lines.map((text) => Buffer.from(text, "base64").toString("utf8")).join("\0");
      assert.ok(said.includes(`${step.name}\0${step.password}`));
    }),
    { numRuns: RUNS },
  );
});

test("only one text of base64 stands for a response", () => {
  fc.assert(
    fc.property(fc.base64String({ minLength: 4, maxLength: 24 }), fc.nat(), (text, at) => {
      const decoded = Buffer.from(text, "base64");
      const others = [`${text}=`, text.replace(/=+$/, ""), ` ${text}`, text.replaceAll("/", "_")];
      const cut = at % text.length;
      others.push(`${text.slice(0, cut)}-${text.slice(cut)}`);
      for (const other of others.filter((one) => one !== text)) {
        const step = play("PLAIN", [other]);
        const isSame = Buffer.from(other, "base64").equals(decoded);
        if (isSame) assert.deepEqual(step, { kind: "fault", fault: "not-base64" }, other);
      }
    }),
    { numRuns: RUNS },
  );
});

test("mechanisms are found in any case, and no others", () => {
  for (const name of ["PLAIN", "plain", "Login"]) assert.ok(beginSasl(name, null));
  for (const name of ["", "CRAM-MD5", "constructor", "PLAIN ", "__proto__"])
    assert.equal(beginSasl(name, null), null, name);
});
