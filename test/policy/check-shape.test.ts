import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { formatProblem, type Problem } from "../../src/base/errors.ts";
import { checkShape } from "../../src/policy/check-shape.ts";
import { readYaml } from "../../src/policy/read-yaml.ts";

async function problemsOf(schema: z.ZodType, text: string): Promise<readonly string[]> {
  const problems: string[] = [];
  const report = (problem: Problem) => void problems.push(formatProblem(problem));
  const source = await readYaml("a.yaml", Buffer.from(text), report);
  assert.ok(source);
  checkShape(schema, source);
  return problems.map((problem) => problem.replace("a.yaml:", ""));
}

test("each kind of mistake is told as expected and got", async () => {
  const schema = z.strictObject({
    whole: z.int(),
    few: z.array(z.string()).max(1),
    short: z.string().max(3),
    small: z.number().max(5),
    more: z.number().gt(5),
    word: z.enum(["open", "closed"]),
    yes: z.boolean(),
    date: z.iso.date(),
    even: z.number().multipleOf(2),
    code: z.string().regex(/^[a-z]+$/),
  });
  const text = `whole: 1.5
few: [a, b]
short: abcd
small: 6
more: 5
word: opne
yes: off
date: 1.1.2027
even: 3
code: A1
`;
  assert.deepEqual(await problemsOf(schema, text), [
    "1:8  whole: expected a whole number, got 1.5",
    "2:6  few: expected at most 1 entries, got 2",
    "3:8  short: expected at most 3 characters, got 4",
    "4:8  small: expected at most 5, got 6",
    "5:7  more: expected more than 5, got 5",
    '6:7  word: expected one of open, closed, got "opne"; did you mean `open`?',
    '7:6  yes: expected true or false, got "off"',
    '8:7  date: expected a date such as 2027-12-31, got "1.1.2027"',
    "9:7  even: expected a multiple of 2, got 3",
    '10:7  code: expected text like /^[a-z]+$/, got "A1"',
  ]);
});

test("several unknown keys are told each at its place", async () => {
  const schema = z.strictObject({ alpha: z.number().optional(), beta: z.number().optional() });
  assert.deepEqual(await problemsOf(schema, "alhpa: 1\nbeta: 2\nx: 3\n"), [
    "1:1  alhpa: unknown key `alhpa`; did you mean `alpha`?",
    "3:1  x: unknown key `x`",
  ]);
});

test("a missing key is told at the map that lacks it", async () => {
  const schema = z.strictObject({ a: z.strictObject({ b: z.string() }) });
  assert.deepEqual(await problemsOf(schema, "x: &x {}\na: {}\n"), [
    "2:1  a.b: expected text, got nothing",
    "1:1  x: unknown key `x`",
  ]);
});

test("of several forms the one that was meant is held against the value", async () => {
  const schema = z.strictObject({
    a: z.union([z.literal("none"), z.array(z.number()), z.strictObject({ file: z.string() })]),
  });
  assert.deepEqual(await problemsOf(schema, "a: { fiel: x, file: y }\n"), [
    "1:6  a.fiel: unknown key `fiel`; did you mean `file`?",
  ]);
  assert.deepEqual(await problemsOf(schema, "a: [1, two]\n"), [
    '1:8  a.1: expected a number, got "two"',
  ]);
  assert.deepEqual(await problemsOf(schema, "a: nome\n"), [
    '1:4  a: expected none or a list or keys with values, got "nome"',
  ]);
});

test("a choice of formats names them all", async () => {
  const schema = z.strictObject({ at: z.union([z.iso.date(), z.iso.datetime()]) });
  const expected = "a date such as 2027-12-31 or a time such as 2027-12-31T12:00:00Z";
  assert.deepEqual(await problemsOf(schema, "at: soon\n"), [
    `1:5  at: expected ${expected}, got "soon"`,
  ]);
});

test("a discriminated form names the words it knows", async () => {
  const schema = z.strictObject({
    a: z.discriminatedUnion("kind", [
      z.strictObject({ kind: z.literal("file"), path: z.string() }),
      z.strictObject({ kind: z.literal("list") }),
    ]),
  });
  assert.deepEqual(await problemsOf(schema, "a: { kind: fiel }\n"), [
    '1:12  a.kind: expected one of file, list, got "fiel"',
  ]);
});

test("a schema's own words are not rewritten", async () => {
  const schema = z.strictObject({ a: z.string().refine(() => false, "this will not do") });
  assert.deepEqual(await problemsOf(schema, "a: x\n"), ["1:4  a: this will not do"]);
});
