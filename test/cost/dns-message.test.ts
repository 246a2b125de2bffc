import assert from "node:assert/strict";
import { test } from "node:test";
import { encode } from "dns-packet";
import { readMessage, toQuery } from "../../src/net/dns-message.ts";

const QUESTION = { name: "mail.example.org", type: "A" } as const;
const MAX_MESSAGE = 65_535;
const LIMIT_MS = 1000;

/** A message of the largest size whose records all point to the end of a chain of pointers. */
function pointerChain(records: number): { bytes: Buffer; query: ReturnType<typeof toQuery> } {
  const query = toQuery(QUESTION);
  const start = encode({ type: "response", id: query.id, questions: [QUESTION] });
  const bytes = Buffer.alloc(MAX_MESSAGE);
  start.copy(bytes);
  bytes.writeUInt16BE(records, 6);
  // One record of an unknown type carries the chain as its data: each pointer to the one before.
  let at = start.length;
  bytes[at] = 0;
  bytes.writeUInt16BE(65_280, at + 1);
  bytes.writeUInt16BE(1, at + 3);
  const chainBytes = 0x3fff - (at + 11);
  bytes.writeUInt16BE(chainBytes, at + 9);
  at += 11;
  const chainStart = at;
  for (; at + 2 <= chainStart + chainBytes; at += 2)
    bytes.writeUInt16BE(0xc000 | (at === chainStart ? chainStart - 11 : at - 2), at);
  const last = at - 2;
  at = chainStart + chainBytes;
  for (let i = 1; i < records && at + 16 <= MAX_MESSAGE; i++) {
    bytes.writeUInt16BE(0xc000 | last, at);
    bytes.writeUInt16BE(1, at + 2);
    bytes.writeUInt16BE(1, at + 4);
    bytes.writeUInt16BE(4, at + 10);
    at += 16;
  }
  return { bytes, query };
}

test("a message of compression pointers is read in bounded time", () => {
  const { bytes, query } = pointerChain(900);
  const started = performance.now();
  assert.equal(readMessage(bytes, query)?.answers.length, 900);
  const ms = performance.now() - started;
  assert.ok(ms < LIMIT_MS, `${ms} ms`);
});

test("a message that claims more records than an answer has is not read at all", () => {
  const { bytes, query } = pointerChain(3000);
  assert.equal(readMessage(bytes, query), null);
});

test("a loop of pointers ends", () => {
  const query = toQuery(QUESTION);
  const start = encode({ type: "response", id: query.id, questions: [QUESTION] });
  start.writeUInt16BE(1, 6);
  const self = Buffer.from([0xc0, start.length, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 1, 2, 3, 4]);
  assert.equal(readMessage(Buffer.concat([start, self]), query), null);
});
