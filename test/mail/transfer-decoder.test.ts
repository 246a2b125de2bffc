import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { createTransferDecoder } from "../../src/mail/transfer-decoder.ts";
import { conformanceData } from "../support/conformance-data.ts";

function decode(encoding: string, text: Buffer | string, step = 1 << 16) {
  const decoder = createTransferDecoder(encoding);
  const octets = Buffer.isBuffer(text) ? text : Buffer.from(text, "latin1");
  const pieces: Buffer[] = [];
  for (let at = 0; at < octets.length; at += step) {
    pieces.push(Buffer.from(decoder.write(octets.subarray(at, at + step))));
  }
  pieces.push(Buffer.from(decoder.end()));
  return { octets: Buffer.concat(pieces), notes: decoder.notes() };
}

const text = (encoding: string, encoded: string) =>
  decode(encoding, encoded).octets.toString("latin1");

test("base64 gives back any octets, in lines, however it is cut", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.integer({ min: 1, max: 90 }),
      (bytes, step) => {
        const lines = Buffer.from(bytes).toString("base64").replace(/.{76}/g, "$&\r\n");
        const { octets, notes } = decode("base64", lines, step);
        assert.deepEqual([...octets], [...bytes]);
        assert.deepEqual(notes, []);
      },
    ),
  );
});

test("octets outside the base64 alphabet are passed over and noted", () => {
  const { octets, notes } = decode("base64", "QU!J\0D\x80RA==");
  assert.equal(octets.toString(), "ABCD");
  assert.deepEqual(notes, ["junk-in-base64"]);
});

test("base64 behind padding goes on as a new run and is noted", () => {
  const { octets, notes } = decode("base64", "QQ==\r\nQkM=\r\nRA");
  assert.equal(octets.toString(), "ABCD");
  assert.deepEqual(notes, ["junk-in-base64"]);
});

test("base64 without its padding gives its last octets", () => {
  assert.equal(text("base64", "QUI"), "AB");
  assert.equal(text("base64", "QQ"), "A");
  assert.equal(text("base64", "Q"), "");
});

test("quoted-printable gives back any octets, however it is cut", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.integer({ min: 1, max: 90 }),
      (bytes, step) => {
        const hex = [...bytes].map(
          (octet) => `=${octet.toString(16).padStart(2, "0").toUpperCase()}`,
        );
        const lines = hex.join("").replace(/.{75}/g, "$&=\r\n");
        const { octets, notes } = decode("quoted-printable", lines, step);
        assert.deepEqual([...octets], [...bytes]);
        assert.deepEqual(notes, []);
      },
    ),
  );
});

test("soft line breaks vanish, with padding before the line break and at the very end too", () => {
  assert.equal(text("quoted-printable", "a=\r\nb=\nc= \t\r\nd="), "abcd");
});

test("lower-case digits are read, and an equals sign that starts nothing stays and is noted", () => {
  assert.equal(text("quoted-printable", "=c3=a9"), "\xc3\xa9");
  const { octets, notes } = decode("quoted-printable", "a=b=4=41=x=", 1);
  assert.equal(octets.toString(), "a=b=4A=x");
  assert.deepEqual(notes, ["junk-in-quoted-printable"]);
});

test("any octets as quoted-printable decode alike in one piece and in many", () => {
  const piece = fc.constantFrom("=", "4", "1", " ", "\t", "\r", "\n", "g", " ".repeat(80));
  fc.assert(
    fc.property(fc.array(piece), fc.integer({ min: 1, max: 9 }), (pieces, step) => {
      const whole = decode("quoted-printable", pieces.join(""));
      assert.deepEqual(decode("quoted-printable", pieces.join(""), step), whole);
    }),
  );
});

test("uuencode passes over what is no data and stops at the end", () => {
  const body = "hello\r\nbegin 644 a.txt\r\n#0V%T\r\n`\r\nend\r\n#0V%T\r\n";
  assert.equal(text("x-uuencode", body), "Cat");
  assert.equal(text("uue", "#0V%T"), "Cat");
});

test("uuencode heeds lines whose last blanks were cut, and no overlong ones", () => {
  assert.deepEqual([...decode("x-uuencode", "$    \r\n").octets], [0, 0, 0, 0]);
  assert.equal(text("x-uuencode", `#0V%T${"!".repeat(5000)}\r\n#0V%T\r\n`), "Cat");
});

test("an encoding without a change of octets, and an unknown one, leave all as it is", () => {
  for (const encoding of ["7bit", "8bit", "binary", "", "x-unknown"]) {
    assert.equal(text(encoding, "a=41\r\n\xff"), "a=41\r\n\xff");
  }
});

const { folder, skip } = conformanceData("gmime");
const file = (name: string) => readFileSync(join(folder, "encodings", name));

test("published encodings of a photo and a page decode to the originals", { skip }, () => {
  for (const step of [1, 61, 1 << 16]) {
    assert.ok(decode("base64", file("photo.b64"), step).octets.equals(file("photo.jpg")));
    assert.ok(decode("x-uuencode", file("photo.uu"), step).octets.equals(file("photo.jpg")));
    assert.ok(
      decode("quoted-printable", file("wikipedia.qp"), step).octets.equals(file("wikipedia.txt")),
    );
  }
});
