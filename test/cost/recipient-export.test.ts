import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { makeExportKeyPair, parsePrivateKey, parsePublicKey } from "../../src/policy/export-key.ts";
import { createExportBuilder } from "../../src/policy/hashed-export.ts";
import { readHashedRecipients } from "../../src/policy/hashed-recipients.ts";
import { costOf } from "../support/cpu-time.ts";

const SMALL = 20_000;
const FACTOR = 8;
/** Sorting takes a little more than its share; a square would be 64. */
const MAX_RATIO = 3 * FACTOR;

const pair = makeExportKeyPair();

function make(count: number): Buffer {
  const privateKey = parsePrivateKey(pair.privatePem);
  assert.ok(privateKey);
  const builder = createExportBuilder(() => randomBytes(16));
  for (let i = 0; i < count; i++) builder.add({ key: `first.last-${i}`, domain: "example.org" });
  const about = { createdAt: Date.now(), freshForMs: null, privateKey };
  return Buffer.concat([...builder.finish(about).pieces]);
}

async function read(bytes: Buffer): Promise<number> {
  const key = parsePublicKey(pair.publicText);
  assert.ok(key);
  const table = await readHashedRecipients(bytes, key, Date.now());
  if (typeof table === "string") assert.fail(table);
  return table.count(() => true);
}

test("an export is made and read in time that grows with its addresses, not with their square", async () => {
  await read(make(SMALL)); // so that nothing is compiled for the first time below
  const [small, large] = [
    await costOf(() => make(SMALL)),
    await costOf(() => make(SMALL * FACTOR)),
  ];
  assert.ok(large.ms / small.ms < MAX_RATIO, `made in ${small.ms} and ${large.ms} ms`);
  const readSmall = await costOf(() => read(small.value));
  const readLarge = await costOf(() => read(large.value));
  assert.equal(readLarge.value, SMALL * FACTOR);
  assert.ok(readLarge.ms / readSmall.ms < MAX_RATIO, `${readSmall.ms} and ${readLarge.ms} ms`);
});

test("an address costs 25 octets in the file", () => {
  const octets = make(SMALL).length;
  assert.ok(octets < 26 * SMALL, `${octets} octets`);
});
