import assert from "node:assert/strict";
import { test } from "node:test";
import { formatProblem, type Problem } from "../../src/base/errors.ts";
import { lookUp } from "../../src/policy/recipient-key.ts";
import {
  createRecipientTable,
  type RecipientTable,
  readRecipientFile,
} from "../../src/policy/recipient-table.ts";

const has = (table: RecipientTable, localPart: string, domain: string): boolean =>
  lookUp((key) => table.has(key, domain), localPart, null) !== "no";
const isExample = (domain: string) => domain === "example.org";

async function read(text: string | Buffer) {
  const problems: string[] = [];
  const report = (problem: Problem) => void problems.push(formatProblem(problem));
  const table = await readRecipientFile("people.txt", Buffer.from(text), isExample, report);
  return { table, problems };
}

test("an address is found in any case and with needless quotes", () => {
  const table = createRecipientTable();
  assert.equal(table.add("Alice.Smith@Example.org", isExample), null);
  for (const localPart of ["alice.smith", "ALICE.SMITH", '"alice.smith"', '"alice\\.smith"'])
    assert.equal(has(table, localPart, "example.org"), true, localPart);
  assert.equal(has(table, "alice", "example.org"), false);
  assert.equal(has(table, "alice.smith", "example.com"), false);
});

test("an entry of a domain alone means everyone there", () => {
  const table = createRecipientTable();
  table.add("@example.org", isExample);
  assert.equal(has(table, "whoever", "example.org"), true);
  assert.equal(has(table, "whoever", "example.com"), false);
});

test("composed and decomposed letters are the same mailbox", () => {
  const table = createRecipientTable();
  table.add("jos\u00e9@example.org", isExample);
  assert.equal(has(table, "jose\u0301", "example.org"), true);
});

test("names of the language's own are mailboxes like any other", () => {
  const table = createRecipientTable();
  assert.equal(has(table, "constructor", "example.org"), false);
  assert.equal(has(table, "__proto__", "example.org"), false);
  assert.equal(table.add("__proto__@example.org", isExample), null);
  assert.equal(has(table, "__proto__", "example.org"), true);
});

test("a file has comments, blank lines, a byte order mark and any line ending", async () => {
  const text =
    "\ufeff# people\r\nalice@example.org\r\n\r\n  bob@example.org # sales\n#x\ncy@example.org";
  const { table, problems } = await read(text);
  assert.deepEqual(problems, []);
  assert.equal(table.count(isExample), 3);
  for (const name of ["alice", "bob", "cy"]) assert.equal(has(table, name, "example.org"), true);
});

test("a # within an address is part of it", async () => {
  const { table } = await read('a#b@example.org\n"c #d"@example.org\n');
  assert.equal(has(table, "a#b", "example.org"), true);
  assert.equal(has(table, '"c #d"', "example.org"), true);
});

test("wrong lines are told with their numbers", async () => {
  const { problems } = await read("alice@example.org\nbob\nx@y@example.org\ncy@example.com\n");
  assert.deepEqual(problems, [
    'people.txt:2:1  expected an address or @domain, got "bob"',
    'people.txt:3:1  expected an address or @domain, got "x@y@example.org"',
    'people.txt:4:1  expected an address of this domain, got "cy@example.com"',
  ]);
});

test("a line that is not UTF-8 is told with its number", async () => {
  const { problems } = await read(Buffer.from("a@example.org\n\xe9@example.org\n", "latin1"));
  assert.deepEqual(problems, ["people.txt:2:1  expected UTF-8 text, got other bytes"]);
});

test("of a file that is wrong as a whole 20 lines are told and the rest is counted", async () => {
  const { problems } = await read("nonsense\n".repeat(5000));
  assert.equal(problems.length, 21);
  assert.equal(problems[20], "people.txt:5000:1  4980 more lines are wrong");
});

test("a line of a megabyte is refused without being shown whole", async () => {
  const { problems } = await read(`${"x".repeat(1_000_000)}@example.org\n`);
  assert.equal(problems.length, 1);
  assert.ok((problems[0] ?? "").length < 200);
});

test("100,000 addresses are read while the event loop turns", async () => {
  const lines = Array.from({ length: 100_000 }, (_, i) => `first.last-${i}@example.org`);
  let turns = 0;
  let running = true;
  const turn = () => {
    turns += 1;
    if (running) setImmediate(turn);
  };
  setImmediate(turn);
  const { table } = await read(lines.join("\n"));
  running = false;
  assert.equal(table.count(isExample), 100_000);
  assert.equal(has(table, "first.last-99999", "example.org"), true);
  assert.equal(has(table, "first.last-100000", "example.org"), false);
  assert.ok(turns >= 40, `${turns} turns`);
});
