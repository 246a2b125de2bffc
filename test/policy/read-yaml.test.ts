import assert from "node:assert/strict";
import { test } from "node:test";
import type { Problem } from "../../src/base/errors.ts";
import { formatProblem } from "../../src/base/errors.ts";
import { MAX_YAML_BYTES, readYaml } from "../../src/policy/read-yaml.ts";
import type { Source } from "../../src/policy/source.ts";

async function read(text: string | Buffer): Promise<{ source: Source | null; problems: string[] }> {
  const problems: string[] = [];
  const report = (problem: Problem) => void problems.push(formatProblem(problem));
  return { source: await readYaml("a.yaml", Buffer.from(text), report), problems };
}

test("a document becomes plain data", async () => {
  const { source } = await read("a: [1, 'two', true, null]\nb: { c: 1.5 }\n3: x\n");
  assert.deepEqual(source?.value, { a: [1, "two", true, null], b: { c: 1.5 }, "3": "x" });
});

test("words of YAML 1.1 for true and false are text", async () => {
  const { source } = await read("a: off\nb: yes\nc: no\n");
  assert.deepEqual(source?.value, { a: "off", b: "yes", c: "no" });
});

test("a file of comments counts as absent", async () => {
  const { source, problems } = await read("# nothing\n");
  assert.equal(source?.value, undefined);
  assert.deepEqual(problems, []);
});

test("an empty file is refused: it is half written", async () => {
  for (const text of ["", " \n\n"]) {
    const { source, problems } = await read(text);
    assert.equal(source, null);
    assert.match(problems.join(), /^a\.yaml:1:1 {2}expected settings or a comment/);
  }
});

test("a byte order mark is no part of the first key", async () => {
  const { source } = await read("\ufeffa: 1\n");
  assert.deepEqual(source?.value, { a: 1 });
});

test("bytes that are not UTF-8 are told with their line", async () => {
  const { problems } = await read(Buffer.from("a: 1\nb: \xff\n", "latin1"));
  assert.deepEqual(problems, ["a.yaml:2:1  expected UTF-8 text, got other bytes"]);
});

test("UTF-16 is not taken for UTF-8", async () => {
  const { source } = await read(Buffer.from("\ufeffa: 1\n", "utf16le"));
  assert.equal(source, null);
});

test("a NUL byte is told with its line", async () => {
  const { problems } = await read("a: 1\nb: \0\n");
  assert.deepEqual(problems, ["a.yaml:2:1  expected text, got a NUL byte"]);
});

test("a file one byte too large is refused before it is parsed, the largest is not", async () => {
  const largest = `a: ${"x".repeat(MAX_YAML_BYTES - 4)}\n`;
  assert.deepEqual((await read(largest)).problems, []);
  const { problems } = await read(`${largest}#`);
  assert.match(problems.join(), /expected at most 524288 bytes, got 524289/);
});

test("complaints point at the value, or at the key when asked", async () => {
  const problems: string[] = [];
  const text = Buffer.from("one:\n  - a: 1\n    bee: [x, y]\n");
  const source = await readYaml("a.yaml", text, (p) => void problems.push(formatProblem(p)));
  source?.complain(["one", 0, "bee", 1], "value");
  source?.complain(["one", 0, "bee"], "key", "key");
  source?.under("one").complain([0, "missing"], "missing");
  assert.deepEqual(problems, [
    "a.yaml:3:14  one.0.bee.1: value",
    "a.yaml:3:5  one.0.bee: key",
    "a.yaml:2:5  one.0.missing: missing",
  ]);
});

test("complaints inside an alias point at what it stands for", async () => {
  const problems: string[] = [];
  const text = Buffer.from("base: &b { score: 1 }\nuse: *b\n");
  const source = await readYaml("a.yaml", text, (p) => void problems.push(formatProblem(p)));
  assert.deepEqual(source?.value, { base: { score: 1 }, use: { score: 1 } });
  source?.complain(["use", "score"], "here");
  assert.deepEqual(problems, ["a.yaml:1:19  use.score: here"]);
});

test("an alias without an anchor is a mistake", async () => {
  const { source } = await read("a: *nowhere\n");
  assert.equal(source, null);
});

test("merge keys are plain keys and merge nothing", async () => {
  const { source } = await read("a: &a { x: 1 }\nb: { <<: *a }\n");
  assert.deepEqual(source?.value, { a: { x: 1 }, b: { "<<": { x: 1 } } });
});

test("deep nesting is refused however deep", async () => {
  for (const depth of [30, 3000, 100_000]) {
    const { source, problems } = await read("[".repeat(depth) + "]".repeat(depth));
    assert.equal(source, null);
    assert.match(problems.join(), /levels|nested too deeply/);
  }
});

test("a broken file has ten problems at most", async () => {
  const { problems } = await read("a: [\n".repeat(5000));
  assert.ok(problems.length >= 1 && problems.length <= 10);
});

test("a large file does not stop the event loop for long", async () => {
  const entry = (i: number) => `  - { client: 10.0.${i >> 8}.${i & 255}, reason: "x ${i}" }\n`;
  const text = `entries:\n${Array.from({ length: 9000 }, (_, i) => entry(i)).join("")}`;
  let turns = 0;
  let running = true;
  const turn = () => {
    turns += 1;
    if (running) setImmediate(turn);
  };
  setImmediate(turn);
  await read(text);
  running = false;
  assert.ok(turns > 10, `${turns} turns`);
});

test("many keys in one map are read in linear time", async () => {
  const text = Array.from({ length: 40_000 }, (_, i) => `k${i}: 1\n`).join("");
  const started = performance.now();
  const { source } = await read(text);
  assert.equal(Object.keys(source?.value as object).length, 40_000);
  assert.ok(performance.now() - started < 5000);
});

test("each value knows the line it begins on, also within lists, aliases and sections", async () => {
  const { source } = await read(
    "one:\n  - &x { k: 1 }\n  - k: 2\n    l: 3\n  # more\n  - *x\n  - { k: 4,\n    l: 5 }\n",
  );
  const lines = [0, 1, 2, 3].map((index) => source?.lineOf(["one", index]));
  assert.deepEqual(lines, [2, 3, 6, 7]);
  assert.equal(source?.lineOf(["one", 1, "l"]), 4);
  assert.equal(source?.under("one").lineOf([3, "l"]), 8);
});
