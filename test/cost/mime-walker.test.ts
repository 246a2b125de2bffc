import assert from "node:assert/strict";
import { test } from "node:test";
import type { MimeNote, MimeTree, MimeVisitor } from "../../src/mail/mime-part.ts";
import { createMimeWalker } from "../../src/mail/mime-walker.ts";

const MULTIPART = 'Content-Type: multipart/mixed; boundary="B"\r\n\r\n';

/** Hostile messages of about `n` octets, and the note that a limit must leave. */
const SHAPES: readonly {
  readonly claim: string;
  readonly make: (n: number) => string;
  readonly note?: MimeNote;
}[] = [
  {
    claim: "one line without an end",
    make: (n) => `${MULTIPART}--B\r\n\r\n${"<div>".repeat(n / 5)}`,
  },
  { claim: "only line breaks", make: (n) => MULTIPART + "\n".repeat(n) },
  { claim: "only CR", make: (n) => `A: b\r\n\r\n${"\r".repeat(n)}` },
  { claim: "lines of two dashes", make: (n) => MULTIPART + "--\r\n".repeat(n / 4) },
  { claim: "lines like the boundary", make: (n) => MULTIPART + "--Bx\r\n".repeat(n / 6) },
  {
    claim: "parts without end",
    make: (n) => MULTIPART + "--B\r\n\r\nx\r\n".repeat(n / 10),
    note: "limit-parts",
  },
  {
    claim: "empty headers and boundaries in turn",
    make: (n) => MULTIPART + "--B\r\n--B--\r\n".repeat(n / 12),
    note: "limit-parts",
  },
  {
    claim: "multiparts nested without end",
    make: (n) => Array.from({ length: n / 60 }, (_, i) => nested(i)).join(""),
    note: "limit-depth",
  },
  {
    claim: "messages in messages without end",
    make: (n) => "Content-Type: message/rfc822\r\n\r\n".repeat(n / 32),
    note: "limit-depth",
  },
  {
    claim: "header lines without end",
    make: (n) => "A: b\r\n".repeat(n / 6),
    note: "limit-header",
  },
  {
    claim: "one header field without end",
    make: (n) => `A: ${"b".repeat(n)}`,
    note: "limit-header",
  },
  {
    claim: "one folded field without end",
    make: (n) => `Subject: a${"\r\n b".repeat(n / 4)}`,
    note: "limit-header",
  },
  {
    claim: "uuencoded files without end in base64",
    make: (n) => {
      const files = "begin 644 a\n#0V%T\nend\n".repeat(n / 30);
      return `Content-Transfer-Encoding: base64\r\n\r\n${Buffer.from(files).toString("base64")}`;
    },
    note: "limit-parts",
  },
  {
    claim: "beginnings of uuencoded files without end in quoted-printable",
    make: (n) =>
      `Content-Transfer-Encoding: quoted-printable\r\n\r\n${"begin 644 a\n".repeat(n / 12)}`,
  },
  {
    claim: "parameters without end",
    make: (n) => `Content-Type: a/b${"; name=x.y".repeat(Math.min(n, 200_000) / 10)}\r\n\r\n`,
    note: "limit-header",
  },
  {
    claim: "parameters without semicolons",
    make: (n) => `Content-Type: a/b; ${"a=b ".repeat(Math.min(n, 200_000) / 4)}\r\n\r\n`,
    note: "limit-header",
  },
  {
    claim: "open comments",
    make: (n) => `Content-Type: ${"(".repeat(Math.min(n, 200_000))}\r\n\r\n`,
  },
  {
    claim: "blanks in a field",
    make: (n) => `Content-Type: a${" ".repeat(Math.min(n, 200_000))}b\r\n\r\n`,
  },
  {
    claim: "encoded words that never close",
    make: (n) =>
      `Content-Disposition: x; filename="${"=?a?q?".repeat(Math.min(n, 200_000) / 6)}"\r\n\r\n`,
    note: "limit-header",
  },
  {
    claim: "percent signs in a name",
    make: (n) =>
      `Content-Disposition: x; filename*=u'a'${"%2".repeat(Math.min(n, 4000) / 2)}\r\n\r\n`,
  },
  {
    claim: "equals signs in quoted-printable",
    make: (n) => encoded("quoted-printable", "=".repeat(n)),
  },
  {
    claim: "soft line breaks that never come",
    make: (n) => encoded("quoted-printable", `=${" ".repeat(75)}`.repeat(n / 76)),
  },
  { claim: "padding in base64", make: (n) => encoded("base64", "=".repeat(n)) },
  { claim: "uuencoded lines without end", make: (n) => encoded("x-uuencode", `#${"!".repeat(n)}`) },
  {
    claim: "blocks of uuencode",
    make: (n) => `A: b\r\n\r\n${"begin 644 a\r\n#0V%T\r\n".repeat(n / 20)}`,
  },
];

const nested = (i: number) =>
  `Content-Type: multipart/mixed; boundary="b${i}-"\r\n\r\n--b${i}-\r\n`;

const encoded = (encoding: string, body: string) =>
  `Content-Transfer-Encoding: ${encoding}\r\n\r\n${body}`;

const SIZE = 500_000;

for (const { claim, make, note } of SHAPES) {
  test(`${claim}: twice the octets is at most twice the work`, async () => {
    const once = await workOn(make(SIZE));
    const twice = await workOn(make(2 * SIZE));
    assert.ok(twice.work <= 2.2 * once.work + 100_000, `${once.work} then ${twice.work}`);
    assert.ok(once.work <= 12 * SIZE, `${once.work} for ${SIZE} octets`);
    if (note) assert.ok(twice.tree.notes.includes(note), twice.tree.notes.join());
    assert.ok(twice.tree.parts.length <= 1000);
    assert.ok(JSON.stringify(twice.tree).length < 1_000_000, "the tree stays small");
  });
}

test("2.5 MB of one line in small chunks is passed on as it comes, not gathered", async () => {
  let largest = 0;
  let total = 0;
  const walker = createMimeWalker({
    body(_part, chunk) {
      largest = Math.max(largest, chunk.length);
      total += chunk.length;
    },
  });
  await walker.write(Buffer.from("Content-Type: text/html\r\n\r\n"));
  const piece = Buffer.from("<div>".repeat(200));
  for (let i = 0; i < 2500; i++) await walker.write(piece);
  await walker.end();
  assert.equal(total, 2_500_000);
  assert.ok(largest <= 4096, `${largest} octets were gathered`);
});

test("a chunk of any size is decoded and told in steps", async () => {
  let largest = 0;
  const visitor: MimeVisitor = {
    body(_part, chunk) {
      largest = Math.max(largest, chunk.length);
    },
  };
  const walker = createMimeWalker(visitor);
  await walker.write(Buffer.from(encoded("base64", "QUJD".repeat(1_000_000))));
  await walker.end();
  assert.ok(largest <= 64 * 1024, `${largest} octets at once`);
});

async function workOn(text: string): Promise<{ work: number; tree: MimeTree }> {
  const walker = createMimeWalker({});
  await walker.write(Buffer.from(text, "latin1"));
  const tree = await walker.end();
  return { work: walker.work(), tree };
}
