import assert from "node:assert/strict";
import { test } from "node:test";
import { mail, partAt, walkMime } from "../support/walk-mime.ts";

const walkText = (...lines: readonly string[]) => walkMime(mail("Subject: x", "", ...lines));

test("a uuencoded file is a part with its name below the text that holds it", async () => {
  const { tree, bodies, calls } = await walkText(
    "see below",
    "begin 644 a b.exe",
    "#0V%T",
    "`",
    "end",
    "bye",
  );
  assert.deepEqual(partAt(tree, "1.1").fileNames, ["a b.exe"]);
  assert.equal(partAt(tree, "1.1").disposition, "attachment");
  assert.equal(bodies.get("1.1")?.toString(), "Cat");
  assert.deepEqual(calls, ["open 1", "open 1.1", "close 1.1", "close 1"]);
});

test("several files in one text are several parts", async () => {
  const block = (name: string) => ["begin 644 a", "#0V%T", "end"].map((l) => l.replace(" a", name));
  const { tree } = await walkText(...block(" one.exe"), "text", ...block(" two.exe"));
  assert.deepEqual(
    tree.parts.map(({ fileNames }) => fileNames),
    [[], ["one.exe"], ["two.exe"]],
  );
});

test("a first line that is empty of data, or lost its blanks, does not hide the file", async () => {
  for (const first of ["`", " ", "$"]) {
    const { tree, bodies } = await walkText("begin 644 a.exe", first, "#0V%T", "end");
    assert.deepEqual(partAt(tree, "1.1").fileNames, ["a.exe"], JSON.stringify(first));
    assert.match(String(bodies.get("1.1")), /Cat$/);
  }
});

test("a file that no line ends is closed with its text", async () => {
  const { tree, bodies, calls } = await walkText("begin 644 a.exe", "#0V%T");
  assert.equal(bodies.get("1.1")?.toString(), "Cat");
  assert.deepEqual(calls.slice(-2), ["close 1.1", "close 1"]);
  assert.ok(tree.notes.includes("uuencoded-text"));
});

test("a boundary ends a file in the text before it", async () => {
  const { tree, bodies } = await walkMime(
    mail(
      "Content-Type: multipart/mixed; boundary=b",
      "",
      "--b",
      "",
      "begin 644 a.exe",
      "#0V%T",
      "--b",
      "",
      "#0V%T",
      "--b--",
    ),
  );
  assert.deepEqual(
    tree.parts.map(({ path }) => path),
    ["1", "1.1", "1.1.1", "1.2"],
  );
  assert.equal(bodies.get("1.2")?.toString(), "#0V%T");
});

test("a part that is no text is not searched for files, nor are the letters of an encoded one", async () => {
  for (const field of ["Content-Type: image/png", "Content-Transfer-Encoding: base64"]) {
    const { tree } = await walkMime(mail(field, "", "begin 644 a.exe", "#0V%T", "end"));
    assert.equal(tree.parts.length, 1);
  }
  const encoded = Buffer.from("begin 644 a.exe\n#0V%T\nend\n").toString("base64");
  const head = ["Content-Type: image/png", "Content-Transfer-Encoding: base64"];
  assert.equal((await walkMime(mail(...head, "", encoded))).tree.parts.length, 1);
});

const WRITTEN = "see below\r\nbegin 644 a.exe\r\n#0V%T\r\n";
const ENCODED: Readonly<Record<string, (text: string) => string>> = {
  base64: (text) => Buffer.from(text).toString("base64").replace(/.{60}/g, "$&\r\n"),
  "quoted-printable": (text) => text.replace(/[e=]/g, (c) => `=${c.charCodeAt(0).toString(16)}`),
};

for (const [name, encode] of Object.entries(ENCODED))
  test(`a file in a text that is itself encoded is found, however it comes: ${name}`, async () => {
    for (const end of ["end\r\nbye", "end", "", "#0V%T"]) {
      const part = mail(`Content-Transfer-Encoding: ${name}`, "", encode(WRITTEN + end));
      const message = Buffer.from(
        `${mail("Content-Type: multipart/mixed; boundary=b", "", "--b")}${part}${mail("--b", "", "x", "--b--")}`,
        "latin1",
      );
      for (const step of [1, 7, message.length]) {
        const pieces = Array.from({ length: Math.ceil(message.length / step) }, (_, i) =>
          message.subarray(i * step, (i + 1) * step),
        );
        const { tree, bodies, calls } = await walkMime(pieces);
        assert.deepEqual(partAt(tree, "1.1.1").fileNames, ["a.exe"]);
        assert.equal(bodies.get("1.1.1")?.toString(), end.startsWith("#") ? "CatCat" : "Cat");
        assert.ok(partAt(tree, "1.1").notes.includes("uuencoded-text"));
        assert.equal(bodies.get("1.1")?.toString(), WRITTEN + end);
        assert.ok(calls.indexOf("close 1.1.1") < calls.indexOf("close 1.1"));
        assert.equal(bodies.get("1.2")?.toString(), "x");
      }
    }
  });

test("prose that starts like a file is none", async () => {
  for (const second of ["to be continued", "", "I said so"]) {
    const { tree } = await walkText("begin 644 words", second, "end");
    assert.equal(tree.parts.length, 1, second);
  }
});

test("a file before the first part or behind the last is found", async () => {
  const block = ["begin 644 a.exe", "#0V%T", "end"];
  const head = ["Content-Type: multipart/mixed; boundary=b", ""];
  for (const lines of [
    [...head, ...block, "--b", "", "x", "--b--"],
    [...head, "--b", "", "x", "--b--", ...block],
  ]) {
    const { tree, bodies } = await walkMime(mail(...lines));
    const file = tree.parts.find(({ fileNames }) => fileNames.includes("a.exe"));
    assert.equal(bodies.get(file?.path ?? "")?.toString(), "Cat");
  }
});
