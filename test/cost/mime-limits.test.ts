import assert from "node:assert/strict";
import { test } from "node:test";
import type { MimeNote } from "../../src/mail/mime-part.ts";
import { createMimeWalker, MIME_LIMITS } from "../../src/mail/mime-walker.ts";

const MULTIPART = "Content-Type: multipart/mixed; boundary=B\r\n\r\n";

const innerMultipart = (i: number) =>
  `Content-Type: multipart/mixed; boundary=n${i}.\r\n\r\n--n${i}.\r\n`;

/** The floods that a hostile sender is known for, and the limit that each meets. */
const FLOODS: readonly {
  readonly claim: string;
  readonly message: (factor: number) => string;
  readonly note: MimeNote;
}[] = [
  {
    claim: "100,000 lines like a boundary",
    message: (factor) => `${MULTIPART}--B\r\n\r\n${"--Bx\r\n".repeat(factor * 100_000)}`,
    note: "boundary-like-line",
  },
  {
    claim: "100,000 lines like all of 30 open boundaries",
    message: (factor) => {
      const open = Array.from({ length: 30 }, (_, i) => innerMultipart(i)).join("");
      return `${open}\r\n${"--n29.x\r\n".repeat(factor * 100_000)}`;
    },
    note: "boundary-like-line",
  },
  {
    claim: "delimiters padded past any limit",
    message: (factor) => MULTIPART + `--B${" ".repeat(5000)}\r\n`.repeat(factor * 200),
    note: "boundary-like-line",
  },
  {
    claim: "multiparts 1000 deep",
    message: (factor) =>
      Array.from({ length: factor * 1000 }, (_, i) => innerMultipart(i)).join(""),
    note: "limit-depth",
  },
  {
    claim: "messages 1000 deep",
    message: (factor) => "Content-Type: message/rfc822\r\n\r\n".repeat(factor * 1000),
    note: "limit-depth",
  },
  {
    claim: "20,000 parts",
    message: (factor) => MULTIPART + "--B\r\n\r\nx\r\n".repeat(factor * 20_000),
    note: "limit-parts",
  },
  {
    claim: "20,000 uuencoded files in one text",
    message: (factor) => `X: y\r\n\r\n${"begin 644 a\r\n#0V%T\r\nend\r\n".repeat(factor * 20_000)}`,
    note: "limit-parts",
  },
  {
    claim: "1,000,000 header lines",
    message: (factor) => "X: y\r\n".repeat(factor * 1_000_000),
    note: "limit-header",
  },
  {
    claim: "a header of 10 MB in one line",
    message: (factor) => `X: ${"y".repeat(factor * 10_000_000)}\r\n\r\nbody`,
    note: "limit-header",
  },
  {
    claim: "a header of 10 MB in long lines",
    message: (factor) => `X: ${"y".repeat(990)}\r\n`.repeat(factor * 10_000),
    note: "limit-header",
  },
];

for (const { claim, message, note } of FLOODS) {
  test(`${claim} cost as much as they are long, and the tree stays within its limits`, async () => {
    const once = await walk(message(1));
    const twice = await walk(message(2));
    assert.ok(twice.work <= 2.2 * once.work, `${once.work} then ${twice.work}`);
    for (const { parts, notes } of [once.tree, twice.tree]) {
      assert.ok(notes.includes(note), notes.join());
      assert.ok(parts.length <= MIME_LIMITS.parts);
      assert.ok(parts.every(({ depth }) => depth <= MIME_LIMITS.depth));
    }
  });
}

test("messages encoded in messages cost no more than their depth allows", async () => {
  const nested = (levels: number) => {
    let message = "X: y\r\n\r\nend";
    for (let i = 0; i < levels; i++) {
      const encoded = Buffer.from(message).toString("base64");
      message = `Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n${encoded}`;
    }
    return message;
  };
  const message = nested(40);
  const { tree, work } = await walk(message);
  assert.ok(tree.notes.includes("limit-depth"));
  assert.ok(work <= 12 * message.length, `${work} for ${message.length} octets`);
});

async function walk(text: string) {
  const walker = createMimeWalker({});
  const octets = Buffer.from(text, "latin1");
  for (let at = 0; at < octets.length; at += 65_536) {
    await walker.write(octets.subarray(at, at + 65_536));
  }
  return { tree: await walker.end(), work: walker.work() };
}
