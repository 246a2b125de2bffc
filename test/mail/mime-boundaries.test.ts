import assert from "node:assert/strict";
import { test } from "node:test";
import { mail, partAt, walkMime } from "../support/walk-mime.ts";

/** A multipart with one part "inside", cut by `delimiter` lines, under the given Content-Type. */
async function walkCut(contentType: string, delimiter: string) {
  const { tree, bodies } = await walkMime(
    mail(
      `Content-Type: ${contentType}`,
      "",
      `--${delimiter}`,
      "Content-Type: image/gif",
      "",
      "inside",
      `--${delimiter}--`,
    ),
  );
  return { notes: tree.notes, inside: bodies.get("1.1")?.toString() };
}

const PLAIN_FORMS = [
  ["unquoted", "multipart/mixed; boundary=abc"],
  ["quoted", 'multipart/mixed; boundary="abc"'],
  ["in upper case but for its value", "MULTIPART/Mixed; BOUNDARY=abc"],
  ["with blanks around the equals sign", "multipart/mixed; boundary = abc"],
  ["by RFC 2231", "multipart/mixed; boundary*=us-ascii'en'a%62c"],
  ["by RFC 2231 in sections", "multipart/mixed; boundary*0=a; boundary*1=bc"],
  ["by RFC 2231 in sections out of order", "multipart/mixed; boundary*1=bc; boundary*0=a"],
  ["folded", 'multipart/mixed;\r\n\tboundary="abc"'],
  ["behind a comment", "multipart/mixed (a; b \\) (c)); boundary=abc (d)"],
] as const;

for (const [form, contentType] of PLAIN_FORMS) {
  test(`a boundary is heeded where it is written ${form}`, async () => {
    assert.equal((await walkCut(contentType, "abc")).inside, "inside");
  });
}

const ODD_FORMS = [
  ["without a semicolon before it", "multipart/mixed boundary=abc"],
  ["with blanks around the slash of the type", "multipart / mixed; boundary=abc"],
  ["without its closing quote", 'multipart/mixed; boundary="abc'],
  ["with a quoted pair", 'multipart/mixed; boundary="a\\bc"'],
  ["in single quotes kept", "multipart/mixed; boundary='abc'"],
  ["with blanks at its end", 'multipart/mixed; boundary="abc  "'],
  ["with blanks before it", 'multipart/mixed; boundary="  abc"'],
  ["behind an unclosed quote", 'multipart/mixed; name="x; boundary=abc'],
  ["as an encoded word", "multipart/mixed; boundary==?us-ascii?q?abc?="],
] as const;

for (const [form, contentType] of ODD_FORMS) {
  test(`a boundary that readers take differently is heeded: ${form}`, async () => {
    const delimiter = form.startsWith("in single") ? "'abc'" : "abc";
    assert.equal((await walkCut(contentType, delimiter)).inside, "inside");
  });
}

test("both of two boundaries cut, and their number is noted", async () => {
  for (const delimiter of ["one", "two"]) {
    const { inside, notes } = await walkCut(
      "multipart/mixed; boundary=one; boundary=two",
      delimiter,
    );
    assert.equal(inside, "inside");
    assert.ok(notes.includes("boundary-odd"));
  }
});

test("the boundary of a second Content-Type cuts as well", async () => {
  const second = "text/plain\r\nContent-Type: multipart/mixed; boundary=abc";
  const { inside, notes } = await walkCut(second, "abc");
  assert.equal(inside, "inside");
  assert.ok(notes.includes("duplicate-content-type"));
});

test("a boundary by RFC 2231 beside a plain one that differs is noted and both cut", async () => {
  for (const delimiter of ["a", "b"]) {
    const { inside, notes } = await walkCut(
      "multipart/mixed; boundary=a; boundary*=''b",
      delimiter,
    );
    assert.equal(inside, "inside");
    assert.ok(notes.includes("boundary-odd"));
  }
});

test("blanks behind a delimiter are padding, as RFC 2046 5.1.1 says", async () => {
  const { tree, bodies } = await walkMime(
    mail(
      "Content-Type: multipart/mixed; boundary=abc",
      "",
      "--abc \t ",
      "",
      "inside",
      "--abc-- \t",
      "epilogue",
    ),
  );
  assert.equal(bodies.get("1.1")?.toString(), "inside");
  assert.deepEqual(tree.notes, []);
});

test("a delimiter padded beyond what is compared is noted", async () => {
  const { tree } = await walkMime(
    mail(
      "Content-Type: multipart/mixed; boundary=abc",
      "",
      "--abc",
      "",
      "text",
      `--abc${" ".repeat(5000)}`,
      "Content-Type: application/x-msdownload",
      "",
      "MZ",
      "--abc--",
    ),
  );
  assert.ok(tree.notes.includes("boundary-like-line"));
});

test("a line that starts like a delimiter and goes on is text and noted", async () => {
  const { tree, bodies } = await walkMime(
    mail("Content-Type: multipart/mixed; boundary=b", "", "--b", "", "--bx", "--b--"),
  );
  assert.equal(bodies.get("1.1")?.toString(), "--bx");
  assert.deepEqual(tree.notes, ["boundary-like-line"]);
});

test("a boundary that starts another is noted, and each cuts its own multipart", async () => {
  const { tree, bodies } = await walkMime(
    mail(
      "Content-Type: multipart/mixed; boundary=b",
      "",
      "--b",
      "Content-Type: multipart/mixed; boundary=bb",
      "",
      "--bb",
      "",
      "inner",
      "--bb--",
      "--b",
      "",
      "outer",
      "--b--",
    ),
  );
  assert.equal(bodies.get("1.1.1")?.toString(), "inner");
  assert.equal(bodies.get("1.2")?.toString(), "outer");
  assert.ok(partAt(tree, "1.1").notes.includes("boundary-prefix-of-another"));
});

test("the boundary of an enclosing multipart used again is noted", async () => {
  const { tree } = await walkMime(
    mail(
      "Content-Type: multipart/mixed; boundary=b",
      "",
      "--b",
      "Content-Type: multipart/mixed; boundary=b",
      "",
      "--b",
      "",
      "x",
      "--b--",
    ),
  );
  assert.ok(partAt(tree, "1.1").notes.includes("boundary-reused"));
});

test("an outer boundary ends inner parts that were never closed", async () => {
  const { tree, bodies } = await walkMime(
    mail(
      "Content-Type: multipart/mixed; boundary=outer",
      "",
      "--outer",
      "Content-Type: multipart/mixed; boundary=inner",
      "",
      "--inner",
      "",
      "one",
      "--outer",
      "",
      "two",
      "--outer--",
    ),
  );
  assert.equal(bodies.get("1.1.1")?.toString(), "one");
  assert.equal(bodies.get("1.2")?.toString(), "two");
  assert.deepEqual(partAt(tree, "1.1").notes, ["boundary-never-closed"]);
  assert.deepEqual(partAt(tree, "1").notes, []);
});

test("a multipart without its last line is noted and its parts are kept", async () => {
  const { tree, bodies } = await walkMime(
    mail("Content-Type: multipart/mixed; boundary=b", "", "--b", "", "text"),
  );
  assert.equal(bodies.get("1.1")?.toString(), "text\r\n");
  assert.deepEqual(tree.notes, ["boundary-never-closed"]);
});

test("parts after the last line are read and noted", async () => {
  const { tree, bodies } = await walkMime(
    mail("Content-Type: multipart/mixed; boundary=b", "", "--b--", "--b", "", "late", "--b--"),
  );
  assert.equal(bodies.get("1.1")?.toString(), "late");
  assert.ok(tree.notes.includes("boundary-after-close"));
});

test("a multipart that names no boundary is one part and noted", async () => {
  const { tree } = await walkMime(mail("Content-Type: multipart/mixed", "", "--b", "", "text"));
  assert.equal(tree.parts.length, 1);
  assert.equal(partAt(tree, "1").isContainer, false);
  assert.deepEqual(tree.notes, ["boundary-missing"]);
});

test("a multipart whose boundary never comes is noted", async () => {
  const { tree } = await walkMime(mail("Content-Type: multipart/mixed; boundary=b", "", "text"));
  assert.ok(tree.notes.includes("boundary-missing"));
});

test("a boundary over the limit of RFC 2046 5.1.1 is heeded and noted", async () => {
  const long = "x".repeat(71);
  const { inside, notes } = await walkCut(`multipart/mixed; boundary=${long}`, long);
  assert.equal(inside, "inside");
  assert.ok(notes.includes("boundary-too-long"));
  const allowed = await walkCut(`multipart/mixed; boundary=${long.slice(1)}`, long.slice(1));
  assert.ok(!allowed.notes.includes("boundary-too-long"));
});

test("an empty boundary is none", async () => {
  const { tree } = await walkMime(
    mail('Content-Type: multipart/mixed; boundary=""', "", "--", "x"),
  );
  assert.equal(tree.parts.length, 1);
  assert.deepEqual(tree.notes, ["boundary-missing"]);
});

test("a boundary of regular expression characters is compared as it is", async () => {
  const boundary = "'()+_,-./:=?.*";
  assert.equal(
    (await walkCut(`multipart/mixed; boundary="${boundary}"`, boundary)).inside,
    "inside",
  );
});

test("an 8-bit boundary is heeded and noted", async () => {
  const { inside, notes } = await walkCut('multipart/mixed; boundary="\xe9t\xe9"', "\xe9t\xe9");
  assert.ok(notes.includes("boundary-odd"));
  assert.equal(inside, "inside");
});

test("a part heading in the preamble or behind the end is noted", async () => {
  const before = await walkMime(
    mail("Content-Type: multipart/mixed; boundary=b", "", "Content-Type: text/html", "--b--"),
  );
  assert.ok(before.tree.notes.includes("text-outside-parts"));
  const after = await walkMime(
    mail("Content-Type: multipart/mixed; boundary=b", "", "--b--", "content-TYPE : x/y"),
  );
  assert.ok(after.tree.notes.includes("text-outside-parts"));
});

test("the usual sentence in the preamble is not noted", async () => {
  const { tree } = await walkMime(
    mail(
      "Content-Type: multipart/mixed; boundary=b",
      "",
      "This is a multi-part message in MIME format.",
      "--b",
      "",
      "x",
      "--b--",
    ),
  );
  assert.deepEqual(tree.notes, []);
});
