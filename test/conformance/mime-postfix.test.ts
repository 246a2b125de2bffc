import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { conformanceData } from "../support/conformance-data.ts";
import { walkMime } from "../support/walk-mime.ts";

const { folder, skip } = conformanceData("postfix-testdata");
const walkFile = (name: string) => walkMime(readFileSync(join(folder, "src/global", `${name}.in`)));

/** Path and first declared type of each part, as the state machine of Postfix pushes and pops them. */
const TREES: Readonly<Record<string, readonly string[]>> = {
  // Comments, quoted pairs, a folded boundary, words without a semicolon; an unknown delimiter is text.
  mime_test: [
    "1 multipart/mumble",
    "1.1 message/rfc822",
    "1.1.1 multipart/mumble",
    "1.1.1.1 -",
    "1.1.1.2 -",
    "1.2 -",
  ],
  mime_garb1: ["1 multipart/mixed", "1.1 text/plain", "1.2 message/rfc822", "1.2.1 -"],
  mime_garb2: ["1 multipart/mixed", "1.1 text/plain", "1.2 message/rfc822", "1.2.1 -"],
  mime_garb3: ["1 multipart/mixed", "1.1 text/plain", "1.2 message/rfc822", "1.2.1 -"],
  mime_garb4: [
    "1 multipart/mixed",
    "1.1 message/rfc822",
    "1.1.1 multipart/mixed",
    "1.1.1.1 text/plain",
    "1.2 text/plain",
  ],
  mime_8bit: ["1 -"],
  mime_cvt: ["1 text/plain"],
  mime_global: ["1 multipart/report", "1.1 message/global", "1.1.1 text/plain"],
};

for (const [name, expected] of Object.entries(TREES)) {
  test(`${name} of Postfix has these parts`, { skip }, async () => {
    const { tree } = await walkFile(name);
    const found = tree.parts.map(({ path, declaredTypes }) => `${path} ${declaredTypes[0] ?? "-"}`);
    assert.deepEqual(found, expected);
  });
}

test("mime_nest of Postfix, the same boundary over and over, is noted on each level", {
  skip,
}, async () => {
  const { tree } = await walkFile("mime_nest");
  assert.ok(tree.parts.length > 10);
  for (const part of tree.parts.slice(1)) {
    if (part.isContainer) assert.ok(part.notes.includes("boundary-reused"), part.path);
  }
});

test("mime_trunc of Postfix, a header without end, is noted", { skip }, async () => {
  const { tree } = await walkFile("mime_trunc");
  assert.deepEqual(tree.notes, ["limit-header", "header-without-end"]);
});

test("encoded messages of Postfix are noted", { skip }, async () => {
  for (const name of ["mime_garb1", "mime_garb3", "mime_garb4", "mime_dom"]) {
    const { tree } = await walkFile(name);
    assert.ok(tree.notes.includes("encoded-container"), name);
  }
});
