import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { MimeTree } from "../../src/mail/mime-part.ts";
import { createMimeWalker } from "../../src/mail/mime-walker.ts";

const LINES = [
  "Content-Type: multipart/mixed; boundary=B",
  "Content-Type: multipart/alternative; boundary=BB",
  "Content-Type: message/rfc822",
  "Content-Transfer-Encoding: base64",
  "Content-Transfer-Encoding: quoted-printable",
  "Content-Disposition: attachment; filename=a.exe",
  "",
  "",
  "--B",
  "--B--",
  "--BB ",
  "--BB--",
  "--Bx",
  "--",
  "QUJD",
  "begin 644 a",
  "#0V%T",
  "end",
  " folded",
  "nonsense",
  "\0\xff=4",
];

interface Walked {
  readonly tree: MimeTree;
  /** Octets by path. */
  readonly octets: ReadonlyMap<string, number>;
  readonly opened: readonly string[];
  readonly closed: readonly string[];
}

async function walk(message: Buffer, step: number): Promise<Walked> {
  const octets = new Map<string, number>();
  const opened: string[] = [];
  const closed: string[] = [];
  const walker = createMimeWalker({
    open: ({ path }) => void opened.push(path),
    body: ({ path }, chunk) => void octets.set(path, (octets.get(path) ?? 0) + chunk.length),
    close: ({ path }) => void closed.push(path),
  });
  for (let at = 0; at < message.length; at += step) {
    await walker.write(message.subarray(at, at + step));
  }
  return { tree: await walker.end(), octets, opened, closed };
}

test("any lines give the same tree however they are cut, and every part is opened and closed once", async () => {
  const lines = fc.array(fc.constantFrom(...LINES), { maxLength: 40 });
  const lineBreak = fc.constantFrom("\r\n", "\n");
  const step = fc.integer({ min: 1, max: 40 });
  await fc.assert(
    fc.asyncProperty(lines, lineBreak, step, async (words, eol, bytes) => {
      const message = Buffer.from(words.join(eol), "latin1");
      const whole = await walk(message, message.length + 1);
      const { tree, octets } = await walk(message, bytes);
      assert.deepEqual({ tree, octets }, { tree: whole.tree, octets: whole.octets });
      const paths = tree.parts.map(({ path }) => path);
      assert.deepEqual(whole.opened, paths);
      assert.deepEqual(whole.closed.toSorted(), paths.toSorted());
      for (const part of tree.parts) assert.equal(octets.get(part.path) ?? 0, part.decodedBytes);
    }),
    { numRuns: 300 },
  );
});

test("random octets never make it throw", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (bytes) => {
      const start = Buffer.from("Content-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\n");
      const { tree } = await walk(Buffer.concat([start, bytes]), 7);
      assert.equal(tree.parts[0]?.path, "1");
    }),
  );
});
