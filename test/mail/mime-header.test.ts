import assert from "node:assert/strict";
import { test } from "node:test";
import { parseHeaderBlock } from "../../src/mail/header-block.ts";
import { readPartHeader } from "../../src/mail/mime-header.ts";

const read = (...lines: readonly string[]) =>
  readPartHeader(parseHeaderBlock(Buffer.from(lines.join("\r\n"), "latin1")), null);

const KINDS: Readonly<Record<string, string>> = { multipart: "multipart", message: "message" };

test("an encoding behind many equal copies of another is heeded and noted", () => {
  const copies = Array.from({ length: 10 }, () => "Content-Transfer-Encoding: 7bit");
  const { encodings, notes } = read(...copies, "Content-Transfer-Encoding: base64");
  assert.deepEqual(encodings, ["7bit", "base64"]);
  assert.deepEqual(notes, ["duplicate-encoding"]);
});

test("an encoding beside an empty one is noted", () => {
  const { encodings, notes } = read(
    "Content-Transfer-Encoding:",
    "Content-Transfer-Encoding: base64",
  );
  assert.deepEqual(encodings, ["base64"]);
  assert.deepEqual(notes, ["duplicate-encoding"]);
});

test("more different copies of a field than are read are noted as duplicates", () => {
  const types = Array.from({ length: 50 }, (_, i) => `Content-Type: text/x${i}`);
  const { declaredTypes, notes } = read(...types, "Content-Type: multipart/mixed; boundary=b");
  assert.equal(declaredTypes[0], "text/x0");
  assert.ok(notes.includes("duplicate-content-type"));
});

test("copies that differ only by folding say the same", () => {
  const { notes } = read(
    "Content-Type: text/plain; charset=utf-8",
    "Content-Type: text/plain;\r\n charset=utf-8",
    "Content-Disposition: inline",
    "content-disposition : inline",
  );
  assert.deepEqual(notes, []);
});

test("one parameter that says two things is noted, wherever it stands", () => {
  for (const field of [
    "Content-Type: text/plain; charset=utf-8; charset=utf-7",
    "Content-Type: text/plain; a=1; CHARSET=utf-8; b=2; charset=utf-7",
    "Content-Disposition: attachment; filename=a.txt; filename=b.txt",
    "Content-Disposition: attachment; filename*0=a; filename*0=b",
  ]) {
    assert.deepEqual(read(field).notes, ["duplicate-parameter"], field);
  }
});

test("a parameter said twice alike, or quoted oddly, is not noted", () => {
  for (const field of [
    'Content-Type: text/plain; charset=utf-8; charset="UTF-8"',
    "Content-Disposition: attachment; filename=a b c.txt",
    'Content-Disposition: attachment; filename="a;b.txt"',
    "Content-Disposition: attachment; filename=e.pdf; filename*=utf-8''%C3%A9.pdf",
    "Content-Disposition: attachment; filename*0=a; filename*1=b.txt",
  ]) {
    assert.deepEqual(read(field).notes, [], field);
  }
});

test("an unknown disposition is an attachment, and of two copies the louder counts", () => {
  assert.equal(read("Content-Disposition: form-data").disposition, "attachment");
  assert.equal(
    read("Content-Disposition: inline", "Content-Disposition: attachment").disposition,
    "attachment",
  );
  assert.equal(read("Content-Disposition: INLINE; filename=a").disposition, "inline");
  assert.equal(read("X: y").disposition, null);
});

test("names of both fields are candidates, that of the disposition first", () => {
  const { fileNames, notes } = read(
    "Content-Type: text/plain; name=type.txt",
    "Content-Disposition: attachment; filename=disposition.exe",
  );
  assert.deepEqual(fileNames, ["disposition.exe", "type.txt"]);
  assert.deepEqual(notes, ["name-conflict"]);
});

test("a name in the field where it does not belong is a candidate too", () => {
  assert.deepEqual(read("Content-Type: text/plain; filename=a.exe").fileNames, ["a.exe"]);
  assert.deepEqual(read("Content-Disposition: attachment; name=a.exe").fileNames, ["a.exe"]);
});

test("a name in encoded words and a charset of its own is read", () => {
  assert.deepEqual(read('Content-Type: text/plain; name="=?iso-8859-15?B?pC5leGU=?="').fileNames, [
    "€.exe",
  ]);
  assert.deepEqual(
    read(
      "Content-Disposition: attachment; filename*0*=koi8-r'ru'%D4%C5;",
      " filename*1*=%D3%D4; filename*2=.exe",
    ).fileNames,
    ["тест.exe"],
  );
});

test("a name in an encoded word that comes together only in sections is read", () => {
  const { fileNames } = read(
    'Content-Disposition: attachment; filename*0="=?utf-8?q?=C3=A9"; filename*1="=2Eexe?="',
  );
  assert.ok(fileNames.includes("é.exe"), fileNames.join());
});

const TYPES = [
  ["multipart/; boundary=b", "multipart/"],
  ['"multipart/mixed"; boundary=b', "multipart/mixed"],
  ["multipart/mixed, boundary=b", "multipart/mixed"],
  ["message/rfc822,", "message/rfc822"],
  ["Text / HTML", "text/html"],
  ["application/vnd.ms-excel.addin+x; a=b", "application/vnd.ms-excel.addin+x"],
] as const;

for (const [value, type] of TYPES) {
  test(`the type ${value} is read as ${type}`, () => {
    const { declaredTypes, kind } = read(`Content-Type: ${value}`);
    assert.deepEqual(declaredTypes, [type]);
    assert.equal(kind, KINDS[type.split("/")[0] ?? ""] ?? "leaf");
  });
}

test("a type that is none is no type and noted", () => {
  for (const value of ["text", "", "; multipart/mixed", "/", "multi\x01part/mixed"]) {
    const { declaredTypes, kind, notes } = read(`Content-Type: ${value}`);
    assert.deepEqual(declaredTypes, [], value);
    assert.equal(kind, "leaf");
    assert.deepEqual(notes, ["header-malformed"], value);
  }
});

test("a boundary of a field that is no multipart makes none", () => {
  const { kind, boundaries } = read("Content-Type: text/plain; boundary=b");
  assert.equal(kind, "leaf");
  assert.deepEqual(boundaries, []);
});
