import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { Unavailable } from "../../src/base/errors.ts";
import type { Message, MessageSource, MessageStore } from "../../src/mail/message.ts";
import { createMessageStore } from "../../src/mail/message-store.ts";

const folder = mkdtempSync(join(tmpdir(), "message-store-"));
after(() => rmSync(folder, { recursive: true }));

const KIB = 1024;
const createStore = (perMessageBytes: number, totalBytes = 10 * perMessageBytes) =>
  createMessageStore({ tempDir: folder, perMessageBytes, totalBytes });

async function keep(store: MessageStore, ...chunks: readonly Buffer[]): Promise<Message> {
  const draft = store.draft();
  for (const chunk of chunks) await draft.write(chunk);
  return draft.finish();
}

async function readAll(source: MessageSource): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of source.read()) {
    assert.ok(chunk.length <= 64 * KIB, "chunks are at most 64 KiB");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

test("a message gives back the same octets, in memory or in a file, in whatever pieces it came", async () => {
  const pieces = fc.array(fc.uint8Array({ maxLength: 40 * KIB, size: "max" }), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(pieces, fc.constantFrom(0, 10, 70 * KIB, KIB * KIB), async (parts, limit) => {
      const chunks = parts.map((part) => Buffer.from(part));
      const whole = Buffer.concat(chunks);
      const store = createStore(limit);
      const message = await keep(store, ...chunks);
      assert.equal(message.size, whole.length);
      assert.equal(message.sha256, createHash("sha256").update(whole).digest("hex"));
      assert.deepEqual(await readAll(message), whole);
      assert.deepEqual(await readAll(message), whole);
      await message.dispose();
      assert.equal(store.memoryBytes(), 0);
    }),
    { numRuns: 50 },
  );
});

test("a message in a file leaves no name in the folder while it lives", async () => {
  const message = await keep(createStore(KIB), randomBytes(200 * KIB));
  assert.deepEqual(readdirSync(folder), []);
  await message.dispose();
});

test("a message over the limit of one moves to a file and frees its memory", async () => {
  const store = createStore(100 * KIB);
  const small = await keep(store, randomBytes(100 * KIB));
  assert.ok(store.memoryBytes() >= 100 * KIB);
  const large = await keep(store, randomBytes(100 * KIB + 1));
  assert.equal(store.memoryBytes(), 100 * KIB);
  await small.dispose();
  await large.dispose();
});

test("messages over the limit of all together go to files", async () => {
  const store = createStore(100 * KIB, 150 * KIB);
  const messages = [];
  for (let i = 0; i < 5; i++) messages.push(await keep(store, randomBytes(100 * KIB)));
  assert.ok(store.memoryBytes() <= 150 * KIB);
  for (const message of messages) {
    assert.equal((await readAll(message)).length, 100 * KIB);
    await message.dispose();
  }
});

test("several readers at once each see the whole message", async () => {
  const whole = randomBytes(300 * KIB);
  const message = await keep(createStore(KIB), whole);
  const copies = await Promise.all([readAll(message), readAll(message), readAll(message)]);
  for (const copy of copies) assert.deepEqual(copy, whole);
  await message.dispose();
});

test("a reader that leaves early holds up neither others nor dispose", async () => {
  const message = await keep(createStore(KIB), randomBytes(300 * KIB));
  for await (const _chunk of message.read()) break;
  assert.equal((await readAll(message)).length, 300 * KIB);
  await message.dispose();
});

test("reading a message after dispose fails instead of giving nothing", async () => {
  for (const limit of [0, KIB * KIB]) {
    const message = await keep(createStore(limit), randomBytes(10));
    await message.dispose();
    await assert.rejects(readAll(message));
  }
});

test("an aborted draft frees its memory and its file", async () => {
  const store = createStore(10 * KIB, 500 * KIB);
  const draft = store.draft();
  await draft.write(randomBytes(20 * KIB));
  await draft.abort();
  assert.equal(store.memoryBytes(), 0);
});

test("the store keeps no slice of what was written", async () => {
  const chunk = Buffer.from("Subject: a\r\n\r\nbody");
  const message = await keep(createStore(KIB), chunk);
  chunk.fill(0);
  assert.equal((await readAll(message)).toString(), "Subject: a\r\n\r\nbody");
  assert.equal(message.headers.first("subject"), "a");
  await message.dispose();
});

test("header block and body offset are the same however the message is cut", async () => {
  const whole = Buffer.from("A: 1\r\n folded\r\nB: 2\r\n\r\n\r\nbody\r\n\r\nC: 3\r\n");
  for (let cut = 0; cut <= whole.length; cut++) {
    const message = await keep(createStore(KIB), whole.subarray(0, cut), whole.subarray(cut));
    assert.equal(message.bodyOffset, 23);
    assert.equal(message.headers.fields.length, 2);
    assert.equal(message.headers.first("a"), "1 folded");
  }
});

test("a message without an empty line is all header, one that starts with it all body", async () => {
  const header = await keep(createStore(KIB), Buffer.from("A: 1\r\nB: 2"));
  assert.equal(header.bodyOffset, header.size);
  const body = await keep(createStore(KIB), Buffer.from("\r\nA: 1\r\n"));
  assert.equal(body.bodyOffset, 2);
  assert.deepEqual(body.headers.fields, []);
});

test("octets above 127 are told apart in header and body", async () => {
  const message = async (text: string) => keep(createStore(KIB), Buffer.from(text, "latin1"));
  const facts = ({ has8bitHeader, has8bitBody }: Message) => ({ has8bitHeader, has8bitBody });
  const header = await message("A: \xe9\r\n\r\nplain");
  assert.deepEqual(facts(header), { has8bitHeader: true, has8bitBody: false });
  const body = await message("A: e\r\n\r\n\xe9");
  assert.deepEqual(facts(body), { has8bitHeader: false, has8bitBody: true });
});

test("a folder that cannot be written makes temporary files unavailable", async () => {
  const store = createMessageStore({ tempDir: join(folder, "absent"), perMessageBytes: 10 });
  const draft = store.draft();
  await assert.rejects(draft.write(randomBytes(100)), (error: unknown) => {
    assert.ok(error instanceof Unavailable);
    assert.equal(error.dependency, "temporary files");
    return true;
  });
  await draft.abort();
  assert.equal(store.memoryBytes(), 0);
});

test("a header section beyond every limit is refused, not cut", async () => {
  const draft = createStore(4 * KIB * KIB).draft();
  const line = Buffer.from(`X: ${"a".repeat(995)}\r\n`);
  await assert.rejects(async () => {
    for (let i = 0; i < 2000; i++) await draft.write(line);
  }, RangeError);
  await draft.abort();
});
