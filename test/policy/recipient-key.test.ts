import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parsePublicKey } from "../../src/policy/export-key.ts";
import { readHashedRecipients } from "../../src/policy/hashed-recipients.ts";
import { keyOf, lookUp, parseRecipientEntry } from "../../src/policy/recipient-key.ts";
import {
  createRecipientTable,
  type RecipientTable,
  readRecipientFile,
} from "../../src/policy/recipient-table.ts";
import { createTestExporter } from "../support/recipient-export.ts";

const exporter = createTestExporter();
const DOMAINS = ["example.org", "all.example", "xn--mnchen-3ya.example"];
const everyDomain = () => true;

function inMemory(lines: readonly string[]): RecipientTable {
  const table = createRecipientTable();
  for (const line of lines) assert.equal(table.add(line, everyDomain), null, line);
  return table;
}

function fromFile(lines: readonly string[]): Promise<RecipientTable> {
  const fail = (problem: unknown) => assert.fail(JSON.stringify(problem));
  return readRecipientFile("people", Buffer.from(lines.join("\n")), everyDomain, fail);
}

async function hashed(lines: readonly string[]): Promise<RecipientTable> {
  const key = parsePublicKey(exporter.key);
  assert.ok(key);
  const table = await readHashedRecipients(exporter.make(lines), key, Date.now());
  if (typeof table === "string") assert.fail(table);
  return table;
}

const localPart = fc.oneof(
  fc.constantFrom(
    "alice",
    "Alice",
    '"alice"',
    "alice+x",
    "bob+",
    "+bob",
    '"a b"',
    '"a\\"b"',
    "a+b+c",
  ),
  fc.constantFrom("jos\u00e9", "jose\u0301", "STRASSE", "stra\u00dfe", "__proto__", '""', "*"),
  fc.stringMatching(/^[a-cA-C+]{1,4}$/),
);
const address = fc.tuple(localPart, fc.constantFrom(...DOMAINS)).map((parts) => parts.join("@"));
const entry = fc.oneof(
  { weight: 9, arbitrary: address },
  { weight: 1, arbitrary: fc.constant("@all.example") },
);

test("a list, a file and a hashed export of the same addresses answer alike", async () => {
  const lists = fc.array(entry, { minLength: 1, maxLength: 12 });
  const questions = fc.array(address, { minLength: 1, maxLength: 12 });
  const tags = fc.constantFrom("+", null);
  await fc.assert(
    fc.asyncProperty(lists, questions, tags, async (lines, asked, separator) => {
      const tables = [inMemory(lines), await fromFile(lines), await hashed(lines)];
      for (const text of [...asked, ...lines.filter((line) => !line.startsWith("@"))]) {
        const at = text.lastIndexOf("@");
        const domain = text.slice(at + 1);
        const [first, ...others] = tables.map((table) =>
          lookUp((key) => table.has(key, domain), text.slice(0, at), separator),
        );
        assert.deepEqual(others, [first, first], text);
        if (lines.includes(text)) assert.equal(first, "yes", text);
      }
    }),
    { numRuns: 150 },
  );
});

test("a tag is cut at the first separator, and only after the address as it is", () => {
  const table = inMemory(["alice@x.test", "list+owner@x.test"]);
  const known = (local: string, separator: string | null = "+") =>
    lookUp((key) => table.has(key, "x.test"), local, separator);
  assert.equal(known("alice+news"), "tag");
  assert.equal(known("ALICE+News+Old"), "tag");
  assert.equal(known('"alice+news"'), "tag");
  assert.equal(known("alice+"), "tag");
  assert.equal(known("alice"), "yes");
  assert.equal(known("list+owner"), "yes");
  assert.equal(known("list+other"), "no");
  assert.equal(known("+alice"), "no");
  assert.equal(known("alice-news"), "no");
  assert.equal(known("alice-news", "-"), "tag");
  assert.equal(known("alice+news", null), "no");
});

test("what is no address and no @domain is no entry", () => {
  for (const text of ["", "@", "alice", "a@b@c", "@@x.test", "<a@x.test>", "a@", "@x y"])
    assert.equal(parseRecipientEntry(text), null, text);
});

test("a key is the same however often it is made of an unquoted name", () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[A-Za-z0-9.+_-]{1,20}$/), (name) => {
      assert.equal(keyOf(keyOf(name)), keyOf(name));
      assert.equal(keyOf(`"${name}"`), keyOf(name));
    }),
  );
});
