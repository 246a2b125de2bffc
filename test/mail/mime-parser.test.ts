import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { createMimeWalker } from "../../src/mail/mime-walker.ts";
import { mail, partAt, walkMime } from "../support/walk-mime.ts";

const TWO_PARTS = mail(
  "Content-Type: multipart/mixed; boundary=b",
  "",
  "--b",
  "Content-Type: text/plain",
  "",
  "hello",
  "--b",
  "Content-Type: application/zip; name=a.zip",
  "Content-Transfer-Encoding: base64",
  "Content-Disposition: attachment",
  "",
  "UEsDBA==",
  "--b--",
);

test("a message without MIME fields is one text part", async () => {
  const { tree, bodies } = await walkMime(mail("Subject: x", "", "hello", "there"));
  assert.deepEqual(tree.parts, [
    {
      path: "1",
      depth: 0,
      declaredTypes: [],
      encodings: [],
      disposition: null,
      fileNames: [],
      isContainer: false,
      decodedBytes: 14,
      sha256: createHash("sha256").update("hello\r\nthere\r\n").digest("hex"),
      notes: [],
    },
  ]);
  assert.equal(bodies.get("1")?.toString(), "hello\r\nthere\r\n");
});

test("a multipart is a container and its parts are decoded, hashed and in document order", async () => {
  const { tree, bodies } = await walkMime(TWO_PARTS);
  assert.deepEqual(
    tree.parts.map(({ path, depth, isContainer }) => [path, depth, isContainer]),
    [
      ["1", 0, true],
      ["1.1", 1, false],
      ["1.2", 1, false],
    ],
  );
  assert.equal("sha256" in partAt(tree, "1"), false);
  assert.deepEqual(partAt(tree, "1.2"), {
    path: "1.2",
    depth: 1,
    declaredTypes: ["application/zip"],
    encodings: ["base64"],
    disposition: "attachment",
    fileNames: ["a.zip"],
    isContainer: false,
    decodedBytes: 4,
    sha256: createHash("sha256").update("PK\x03\x04").digest("hex"),
    notes: [],
  });
  assert.deepEqual(tree.notes, []);
  assert.equal(bodies.get("1.1")?.toString(), "hello");
});

test("the line break before a boundary belongs to the boundary, others to the part", async () => {
  const { bodies } = await walkMime(
    mail("Content-Type: multipart/mixed; boundary=b", "", "--b", "", "a", "", "--b", "", "--b--"),
  );
  assert.equal(bodies.get("1.1")?.toString(), "a\r\n");
  assert.equal(bodies.get("1.2")?.length, 0);
});

test("the visitor is called for each part in order, and a container closes after its parts", async () => {
  const { calls } = await walkMime(TWO_PARTS);
  assert.deepEqual(calls, ["open 1", "open 1.1", "close 1.1", "open 1.2", "close 1.2", "close 1"]);
});

test("the visitor is awaited before more is read", async () => {
  const order: string[] = [];
  const walker = createMimeWalker({
    async open({ path }) {
      await new Promise((resolve) => setImmediate(resolve));
      order.push(`opened ${path}`);
    },
    body: ({ path }) => void order.push(`body ${path}`),
  });
  await walker.write(Buffer.from(TWO_PARTS));
  order.push("written");
  await walker.end();
  assert.deepEqual(order, [
    "opened 1",
    "opened 1.1",
    "body 1.1",
    "opened 1.2",
    "body 1.2",
    "written",
  ]);
});

test("an error of the visitor comes through and nothing else does", async () => {
  const failed = new Error("scanner is gone");
  const walker = createMimeWalker({
    open() {
      throw failed;
    },
  });
  await assert.rejects(walker.write(Buffer.from(TWO_PARTS)), failed);
});

test("an empty message is one empty part whose header does not end", async () => {
  const { tree } = await walkMime("");
  assert.equal(tree.parts.length, 1);
  assert.equal(partAt(tree, "1").decodedBytes, 0);
  assert.deepEqual(tree.notes, ["header-without-end"]);
});

test("an attached message is opened and its parts stand below it", async () => {
  const { tree, bodies } = await walkMime(
    mail(
      "Content-Type: message/rfc822",
      "",
      "Content-Type: multipart/mixed; boundary=b",
      "",
      "--b",
      "Content-Type: message/rfc822",
      "",
      "Subject: deep",
      "",
      "text",
      "--b--",
    ),
  );
  assert.deepEqual(
    tree.parts.map(({ path, isContainer }) => [path, isContainer]),
    [
      ["1", true],
      ["1.1", true],
      ["1.1.1", true],
      ["1.1.1.1", false],
    ],
  );
  assert.equal(bodies.get("1.1.1.1")?.toString(), "text");
});

test("a message in base64 has octets of its own and its parts are seen all the same", async () => {
  const inner = mail("Content-Type: text/x-inner", "", "inside");
  const encoded = Buffer.from(inner).toString("base64");
  const { tree, bodies, calls } = await walkMime(
    mail("Content-Type: message/rfc822", "Content-Transfer-Encoding: base64", "", encoded),
  );
  assert.equal(bodies.get("1")?.toString(), inner);
  assert.equal(partAt(tree, "1").sha256, createHash("sha256").update(inner).digest("hex"));
  assert.deepEqual(partAt(tree, "1.1").declaredTypes, ["text/x-inner"]);
  assert.equal(bodies.get("1.1")?.toString(), "inside\r\n");
  assert.ok(tree.notes.includes("encoded-container"));
  assert.deepEqual(calls, ["open 1", "open 1.1", "close 1.1", "close 1"]);
});

test("parts of a digest are messages unless they say otherwise", async () => {
  const { tree } = await walkMime(
    mail(
      "Content-Type: multipart/digest; boundary=b",
      "",
      "--b",
      "",
      "Subject: one",
      "",
      "text",
      "--b",
      "Content-Type: text/plain",
      "",
      "index",
      "--b--",
    ),
  );
  assert.deepEqual(
    tree.parts.map(({ path, isContainer }) => [path, isContainer]),
    [
      ["1", true],
      ["1.1", true],
      ["1.1.1", false],
      ["1.2", false],
    ],
  );
});

test("fragments and bodies kept elsewhere are noted", async () => {
  const partial = await walkMime(mail("Content-Type: message/partial; number=1; id=x", "", "x"));
  assert.deepEqual(partial.tree.notes, ["message-partial"]);
  const external = await walkMime(
    mail("Content-Type: message/external-body; access-type=URL; URL=http://example.org", "", "x"),
  );
  assert.deepEqual(external.tree.notes, ["message-external-body"]);
});

test("deeper parts than allowed are read as leaves and noted, and their octets are still given", async () => {
  const { tree, bodies } = await walkMime(
    mail(
      "Content-Type: message/rfc822",
      "",
      "Content-Type: message/rfc822",
      "",
      "Content-Type: message/rfc822",
      "",
      "end",
    ),
    { depth: 1 },
  );
  assert.deepEqual(
    tree.parts.map(({ path }) => path),
    ["1", "1.1"],
  );
  assert.deepEqual(partAt(tree, "1.1").notes, ["limit-depth"]);
  assert.match(String(bodies.get("1.1")), /end\r\n$/);
});

test("more parts than allowed are not read, and the first part says so", async () => {
  const parts = Array.from({ length: 6 }, () => mail("--b", "", "x")).join("");
  const { tree } = await walkMime(
    mail("Content-Type: multipart/mixed; boundary=b", "") + parts + mail("--b--"),
    { parts: 4 },
  );
  assert.equal(tree.parts.length, 4);
  assert.ok(partAt(tree, "1").notes.includes("limit-parts"));
});

test("exactly as many parts as allowed are no excess", async () => {
  const { tree } = await walkMime(TWO_PARTS, { parts: 3 });
  assert.deepEqual(tree.notes, []);
});

test("a header over its limits keeps its first fields and is noted", async () => {
  const many = mail("Content-Type: image/png", "X: 1", "X: 2", "X: 3", "", "body");
  const lines = await walkMime(many, { headerLines: 2 });
  assert.deepEqual(lines.tree.notes, ["limit-header"]);
  assert.deepEqual(partAt(lines.tree, "1").declaredTypes, ["image/png"]);
  assert.equal(lines.bodies.get("1")?.toString(), "body\r\n");
  const octets = await walkMime(
    mail("Content-Type: image/png", `X: ${"y".repeat(5000)}`, "", "body"),
    { headerBytes: 3000 },
  );
  assert.deepEqual(octets.tree.notes, ["limit-header"]);
  assert.equal(octets.bodies.get("1")?.toString(), "body\r\n");
});
