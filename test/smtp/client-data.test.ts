import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { toWireData, toWireOctets, UnsendableOctet } from "../../src/smtp/client-data.ts";
import { toBytesSource } from "../support/bytes-source.ts";

async function wire(text: string, chunkBytes = 65_536): Promise<string> {
  const source = toBytesSource(Buffer.from(text, "latin1"), chunkBytes);
  const chunks: Buffer[] = [];
  for await (const chunk of toWireData(source.read())) chunks.push(chunk);
  const streamed = Buffer.concat(chunks).toString("latin1");
  assert.equal(wireAtOnce(text, chunkBytes), streamed, "of a message in memory it is the same");
  return streamed;
}

function wireAtOnce(text: string, chunkBytes: number): string {
  const octets = Buffer.from(text, "latin1");
  const cuts = Array.from({ length: Math.ceil(octets.length / chunkBytes) }, (_, i) =>
    octets.subarray(i * chunkBytes, (i + 1) * chunkBytes),
  );
  return Buffer.concat(toWireOctets(cuts)).toString("latin1");
}

test("dots at the start of lines are doubled wherever the chunks are cut", async () => {
  const text = ".a\r\n..\r\n.\r\nb.\r\n\r\n.";
  for (let cut = 1; cut <= text.length; cut++) {
    assert.equal(await wire(text, cut), "..a\r\n...\r\n..\r\nb.\r\n\r\n..\r\n");
  }
});

test("a bare CR, a bare LF and a NUL are refused wherever the chunks are cut", async () => {
  const hostile = ["a\rb\r\n", "a\nb\r\n", "\n", "\r", "a\r\r\n", "a\r", "x\r\n\n.\r\n", "a\0\r\n"];
  hostile.push("a\n.\r\nMAIL FROM:<evil@x>\r\n", "a\r.\r\n");
  for (const text of hostile) {
    for (let cut = 1; cut <= text.length; cut++) {
      await assert.rejects(wire(text, cut), UnsendableOctet, JSON.stringify([text, cut]));
      assert.throws(() => wireAtOnce(text, cut), UnsendableOctet, JSON.stringify([text, cut]));
    }
  }
});

test("what a receiver unstuffs is the message, for any octets and cuts", async () => {
  const line = fc.string({ unit: fc.constantFrom(".", "a", "\x80", "\xff", " ") });
  await fc.assert(
    fc.asyncProperty(fc.array(line), fc.integer({ min: 1, max: 9 }), async (lines, cut) => {
      const text = lines.map((l) => `${l}\r\n`).join("");
      const sent = await wire(text, cut);
      assert.ok(!`\r\n${sent}`.includes("\r\n.\r\n"), "the end of data inside the data");
      assert.equal(sent.replace(/(^|\r\n)\./g, "$1"), text);
    }),
  );
});

/** The rules of RFC 5321 2.3.8 and 4.5.2 in one line each; null: not to be sent. */
function ruled(text: string): string | null {
  if (/\0/.test(text) || /[\r\n]/.test(text.replaceAll("\r\n", ""))) return null;
  const ended = text === "" || text.endsWith("\r\n") ? text : `${text}\r\n`;
  return ended.replace(/(^|\r\n)\./g, "$1..");
}

test("nothing but the rules decides, wherever chunks are cut and whatever octets stand beside", async () => {
  const unit = fc.constantFrom(
    "\r\n",
    "\r\n",
    "\r\n.",
    ".",
    "a",
    "\r",
    "\n",
    "\0",
    "\t",
    "\x85",
    "\xa0",
  );
  await fc.assert(
    fc.asyncProperty(fc.string({ unit }), fc.integer({ min: 1, max: 5 }), async (text, cut) => {
      const wanted = ruled(text);
      if (wanted === null) await assert.rejects(wire(text, cut), UnsendableOctet);
      else assert.equal(await wire(text, cut), wanted);
    }),
    { numRuns: 2000 },
  );
});

test("an empty message is sent as no octets", async () => {
  assert.equal(await wire(""), "");
});
