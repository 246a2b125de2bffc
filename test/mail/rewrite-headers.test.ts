import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { test } from "node:test";
import fc from "fast-check";
import type { Message, MessageSource } from "../../src/mail/message.ts";
import { createMessageStore } from "../../src/mail/message-store.ts";
import { applyHeaderEdits, isNamedOneOf } from "../../src/mail/rewrite-headers.ts";

async function toMessage(text: string): Promise<Message> {
  const draft = createMessageStore({ tempDir: tmpdir() }).draft();
  await draft.write(Buffer.from(text, "latin1"));
  return draft.finish();
}

async function textOf(source: MessageSource): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of source.read()) chunks.push(chunk);
  const whole = Buffer.concat(chunks);
  assert.equal(whole.length, source.size, "size is exact");
  const inMemory = source.inMemory?.();
  assert.ok(inMemory, "it lies in memory");
  assert.ok(Buffer.concat(inMemory).equals(whole), "the same octets at once");
  return whole.toString("latin1");
}

test("new fields stand on top in their order, the rest is the same octets", async () => {
  const message = await toMessage("A: 1\r\n\r\nbody \r\n.\xff");
  const addOnTop = [
    { name: "X-One", value: "1" },
    { name: "X-Two", value: "" },
  ];
  const edited = await textOf(applyHeaderEdits(message, { addOnTop }));
  assert.equal(edited, "X-One: 1\r\nX-Two: \r\nA: 1\r\n\r\nbody \r\n.\xff");
});

test("removed fields go whole: folded, in upper case, with a blank before the colon, several", async () => {
  const message = await toMessage(
    "X-GONE: a\r\n folded\r\n\tagain\r\nStays: X-Gone: no\r\nx-gone : b\r\nX-Gone:c\r\n\r\nX-Gone: body",
  );
  const edited = applyHeaderEdits(message, { remove: isNamedOneOf(["X-Gone"]) });
  assert.equal(await textOf(edited), "Stays: X-Gone: no\r\n\r\nX-Gone: body");
});

test("without edits the message is unchanged", async () => {
  const text = "A: 1\r\nnonsense\r\n\r\n\r\nbody";
  assert.equal(await textOf(applyHeaderEdits(await toMessage(text), {})), text);
});

test("a sender's line that continues nothing cannot continue a field of ours", async () => {
  const message = await toMessage(" forged\r\nA: 1\r\n\r\n");
  const edited = applyHeaderEdits(message, { addOnTop: [{ name: "X-SCL", value: "0" }] });
  assert.equal(await textOf(edited), "X-SCL: 0\r\nX-Malformed-Header:\r\n forged\r\nA: 1\r\n\r\n");
});

test("a field that spans many chunks is removed exactly", async () => {
  const long = `X-Gone: ${"a".repeat(200_000)}\r\n`;
  const message = await toMessage(`A: 1\r\n${long}B: 2\r\n${long}\r\nbody`);
  const edited = applyHeaderEdits(message, { remove: isNamedOneOf(["x-gone"]) });
  assert.equal(await textOf(edited), "A: 1\r\nB: 2\r\n\r\nbody");
});

test("any removal leaves the concatenation of what stays", async () => {
  const field = fc.tuple(fc.constantFrom("A", "B"), fc.constantFrom("1", "1\r\n 2", ""));
  await fc.assert(
    fc.asyncProperty(fc.array(field), fc.string(), async (fields, body) => {
      const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`);
      const message = await toMessage(`${lines.join("")}\r\n${body}`);
      const edited = applyHeaderEdits(message, { remove: isNamedOneOf(["a"]) });
      const kept = lines.filter((line) => line.startsWith("B"));
      assert.equal(
        await textOf(edited),
        Buffer.from(`${kept.join("")}\r\n${body}`, "latin1").toString("latin1"),
      );
    }),
    { numRuns: 50 },
  );
});

test("octets inside a field are replaced, and no others", async () => {
  const text = "From: Ann <ann@in.test>\r\nTo : a@in.test,\r\n b@in.test\r\n\r\nann@in.test";
  const message = await toMessage(text);
  const at = (piece: string, from = 0) => text.indexOf(piece, from);
  const replace = [
    { name: "to", at: at("b@"), old: "b", text: "bob" },
    { name: "From", at: at("in.test"), old: "in.test", text: "example.org" },
    { name: "To", at: at("in.test", at("a@in")), old: "in.test", text: "" },
  ];
  const addOnTop = [{ name: "X-New", value: "1" }];
  assert.equal(
    await textOf(applyHeaderEdits(message, { replace, addOnTop })),
    "X-New: 1\r\nFrom: Ann <ann@example.org>\r\nTo : a@,\r\n bob@in.test\r\n\r\nann@in.test",
  );
  const remove = isNamedOneOf(["from"]);
  assert.equal(
    await textOf(applyHeaderEdits(message, { replace, remove })),
    "To : a@,\r\n bob@in.test\r\n\r\nann@in.test",
    "what is in a field that goes is gone",
  );
});

test("a replacement across many chunks of a long header is exact", async () => {
  const long = "a@in.test,\r\n ".repeat(40_000);
  const text = `To: ${long}b@in.test\r\n\r\nbody`;
  const message = await toMessage(text);
  const replace = [...text.matchAll(/in\.test/g)].map(({ index }) => ({
    name: "To",
    at: index,
    old: "in.test",
    text: "out.example",
  }));
  const edited = await textOf(applyHeaderEdits(message, { replace }));
  assert.equal(edited, text.replaceAll("in.test", "out.example"));
});

for (const [what, replacement] of [
  ["octets that stand elsewhere", { name: "From", at: 7, old: "ann", text: "x" }],
  ["a field of another name", { name: "To", at: 6, old: "ann", text: "x" }],
  ["the name of a field", { name: "From", at: 0, old: "From", text: "To" }],
  ["the body", { name: "From", at: 24, old: "ann", text: "x" }],
  ["more than the field", { name: "From", at: 6, old: "ann@in.test\r\n", text: "x" }],
  ["text with a line break", { name: "From", at: 6, old: "ann", text: "x\r\nBcc: y" }],
  ["text beyond ASCII", { name: "From", at: 6, old: "ann", text: "\xfc" }],
] as const)
  test(`no replacement of or by ${what}`, async () => {
    const message = await toMessage("From: ann@in.test\r\n\r\nann and a body");
    assert.throws(() => applyHeaderEdits(message, { replace: [replacement] }), TypeError);
  });

test("two replacements of one octet are refused", async () => {
  const message = await toMessage("From: ann@in.test\r\n\r\n");
  const replace = [
    { name: "From", at: 6, old: "ann", text: "x" },
    { name: "From", at: 8, old: "n@", text: "y" },
  ];
  assert.throws(() => applyHeaderEdits(message, { replace }), TypeError);
});
