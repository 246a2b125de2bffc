import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { parsePublicKey } from "../../src/policy/export-key.ts";
import { type HashedRecipients, readHashedRecipients } from "../../src/policy/hashed-recipients.ts";
import { lookUp } from "../../src/policy/recipient-key.ts";
import { createTestExporter } from "../support/recipient-export.ts";

const NOW = Date.UTC(2026, 10, 25, 12);
const HOUR = 3_600_000;
const exporter = createTestExporter();
const PEOPLE = ["Alice@example.org", "bob@example.org", '"two words"@example.org', "@all.example"];

async function read(bytes: Buffer, key = exporter.key): Promise<HashedRecipients | string> {
  const publicKey = parsePublicKey(key);
  assert.ok(publicKey);
  return readHashedRecipients(bytes, publicKey, NOW);
}

async function readGood(bytes: Buffer): Promise<HashedRecipients> {
  const table = await read(bytes);
  if (typeof table === "string") assert.fail(table);
  return table;
}

const make = (lines: readonly string[] = PEOPLE, createdAt = NOW - HOUR) =>
  exporter.make(lines, { createdAt });
const knows = (table: HashedRecipients, localPart: string, domain: string) =>
  lookUp((key) => table.has(key, domain), localPart, null);

test("who was exported is known in any spelling, and nobody else", async () => {
  const table = await readGood(make());
  for (const localPart of ["alice", "ALICE", '"alice"', '"a\\lice"'])
    assert.equal(knows(table, localPart, "example.org"), "yes", localPart);
  assert.equal(knows(table, '"Two Words"', "example.org"), "yes");
  assert.equal(knows(table, "mallory", "example.org"), "no");
  assert.equal(knows(table, "alice", "all.example"), "everyone");
  assert.equal(knows(table, "alice", "example.com"), "no");
  assert.equal(knows(table, "", "example.org"), "no");
  assert.equal(
    table.count((domain) => domain === "example.org"),
    3,
  );
  assert.equal(table.createdAt, NOW - HOUR);
});

test("no address and no part of one stands in the file", () => {
  const text = make().toString("latin1").toLowerCase();
  for (const word of ["alice", "bob", "two words"]) assert.ok(!text.includes(word), word);
});

test("the same salts and times make the same file in whatever order the addresses come", () => {
  const twice = [...PEOPLE, ...PEOPLE].reverse();
  assert.deepEqual(make(twice), make());
});

test("another salt makes other lines of the same addresses", () => {
  const bodyOf = (fill: number) =>
    exporter
      .make(PEOPLE, { createdAt: NOW, salt: () => Buffer.alloc(16, fill) })
      .toString()
      .split("\n")
      .slice(3, -1);
  const before = new Set(bodyOf(1));
  assert.equal(before.size, PEOPLE.length);
  assert.ok(bodyOf(2).every((line) => !before.has(line)));
});

test("a file of another key is refused", async () => {
  assert.equal(await read(make(), createTestExporter().key), "expected a signature by this `key`");
});

test("a file that is cut off anywhere is refused", async () => {
  const bytes = make();
  for (let length = 0; length < bytes.length; length++) {
    const table = await read(bytes.subarray(0, length));
    assert.equal(typeof table, "string", `cut off at ${length}`);
  }
});

test("a file with one bit changed anywhere is refused", async () => {
  const whole = make();
  for (let at = 0; at < whole.length; at++) {
    const bytes = Buffer.from(whole);
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    assert.equal(typeof (await read(bytes)), "string", `octet ${at}`);
  }
});

test("lines that were added or that come from another signed file are refused", async () => {
  const bytes = make();
  const line = bytes.subarray(-25);
  assert.match(String(await read(Buffer.concat([bytes, line]))), /not whole/);
  const other = make(["mallory@example.org", "bob@example.org", "c@example.org", "@all.example"]);
  const head = bytes.length - 4 * 25;
  const spliced = Buffer.concat([bytes.subarray(0, head), other.subarray(-100)]);
  assert.equal(await read(spliced), "its addresses were changed");
});

test("a file from the future is refused, for it would never become stale", async () => {
  assert.match(String(await read(make(PEOPLE, NOW + 2 * HOUR))), /made in the future/);
  assert.equal(typeof (await read(make(PEOPLE, NOW + HOUR / 2))), "object");
});

test("an export that no gateway would read is not made", () => {
  const lines = Array.from({ length: 15_000 }, (_, i) => `a@domain-${i}.example`);
  assert.throws(() => make(lines), /15000 domains are too many/);
});

test("what is no export is told so", async () => {
  for (const text of ["", "alice@example.org\n", "postern-recipients 2\n{}\nx\n", "\n\n\n"])
    assert.match(String(await read(Buffer.from(text))), /^expected an export that begins with/);
});

test("a public key of another length or kind is none", () => {
  for (const text of ["", "abc", `${exporter.key}A`, exporter.key.replace("=", "")])
    assert.equal(parsePublicKey(text), null, text);
});

test("100,000 addresses are read while the event loop turns, and each is found", async () => {
  const lines = Array.from({ length: 100_000 }, (_, i) => `first.last-${i}@example.org`);
  const bytes = exporter.make(lines, { createdAt: NOW, salt: () => randomBytes(16) });
  let turns = 0;
  let running = true;
  const turn = () => {
    turns += 1;
    if (running) setImmediate(turn);
  };
  setImmediate(turn);
  const table = await readGood(bytes);
  running = false;
  assert.ok(turns >= 40, `${turns} turns`);
  assert.equal(
    table.count(() => true),
    100_000,
  );
  for (let i = 0; i < 100_000; i += 997)
    assert.equal(knows(table, `First.Last-${i}`, "example.org"), "yes");
  assert.equal(knows(table, "first.last-100000", "example.org"), "no");
});
