import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parameterReadings } from "../../src/mail/parameter-readings.ts";
import { parseParameterised } from "../../src/mail/parameters.ts";
import { createTransferDecoder } from "../../src/mail/transfer-decoder.ts";
import { conformanceData } from "../support/conformance-data.ts";

const { folder, skip } = conformanceData("kmime");
const file = (name: string) => readFileSync(join(folder, name));

/** Files of kmime with `.expected` beside them. */
const DECODED = [
  ["base64", "codec_base64/basic-decode.base64"],
  ["base64", "codec_b/basic-decode.b"],
  ["quoted-printable", "codec_quoted-printable/basic-decode.quoted-printable"],
  ["quoted-printable", "codec_quoted-printable/corrupt2.quoted-printable"],
  ["quoted-printable", "codec_quoted-printable/corrupt3.quoted-printable"],
  ["quoted-printable", "codec_q/all-encoded-decode.q"],
  ["x-uuencode", "codec_x-uuencode/basic-decode.x-uuencode"],
] as const;

for (const [encoding, name] of DECODED) {
  test(`${name} decodes as kmime expects, however it is cut`, { skip }, () => {
    for (const step of [1, 2, 3, 7, 4096]) {
      assert.deepEqual(decode(encoding, file(name), step), file(`${name}.expected`));
    }
  });
}

test("where kmime ends base64 at its padding, we go on: some readers do", { skip }, () => {
  const name = "codec_base64/corrupt.base64";
  const expected = file(`${name}.expected`);
  const decoded = decode("base64", file(name), 7);
  assert.deepEqual(decoded.subarray(0, expected.length), expected);
  assert.ok(decoded.length > expected.length);
});

test("an equals sign at the very end is a soft line break to us, text to kmime", { skip }, () => {
  for (const name of ["corrupt", "corrupt4"]) {
    const path = `codec_quoted-printable/${name}.quoted-printable`;
    const decoded = decode("quoted-printable", file(path), 7);
    assert.deepEqual(Buffer.concat([decoded, Buffer.from("=")]), file(`${path}.expected`));
  }
});

const ENCODED = [
  ["base64", "codec_base64/basic-encode"],
  ["base64", "codec_base64/very_small-encode"],
  ["quoted-printable", "codec_quoted-printable/basic-encode"],
  ["quoted-printable", "codec_quoted-printable/wrap-encode"],
] as const;

for (const [encoding, name] of ENCODED) {
  test(`what kmime encodes of ${name} decodes to the original`, { skip }, () => {
    assert.deepEqual(decode(encoding, file(`${name}.expected`), 5), file(name));
  });
}

test("every octet by RFC 2231 is read as kmime reads it", { skip }, () => {
  const encoded = file("codec_x-kmime-rfc2231/all-encoded.x-kmime-rfc2231-decode");
  const expected = file("codec_x-kmime-rfc2231/all-encoded.x-kmime-rfc2231-decode.expected");
  const { parameters } = parseParameterised(`x; a*=windows-1252''${encoded.toString("latin1")}`);
  const text = new TextDecoder("windows-1252").decode(expected);
  assert.deepEqual(parameterReadings(parameters, "a"), [text]);
});

function decode(encoding: string, octets: Buffer, step: number): Buffer {
  const decoder = createTransferDecoder(encoding);
  const pieces: Buffer[] = [];
  for (let at = 0; at < octets.length; at += step) {
    pieces.push(Buffer.from(decoder.write(octets.subarray(at, at + step))));
  }
  return Buffer.concat([...pieces, decoder.end()]);
}
