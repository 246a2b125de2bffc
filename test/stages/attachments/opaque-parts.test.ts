import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { judgeUnder, readMail } from "./attachments-bench.ts";

function mail(header: string, body: string | Buffer): Buffer {
  const text = Buffer.isBuffer(body) ? body.toString("latin1") : body;
  const lines = `From: a@example.org\nMIME-Version: 1.0\n${header}\n\n${text}\n`;
  return Buffer.from(lines.replaceAll("\n", "\r\n"), "latin1");
}

function attached(name: string, type: string, octets: Buffer | string): Buffer {
  const base64 = Buffer.from(octets as string, "latin1").toString("base64");
  const header = `Content-Type: ${type}\nContent-Transfer-Encoding: base64`;
  return mail(`${header}\nContent-Disposition: attachment; filename="${name}"`, base64);
}

async function outcome(message: Buffer, file: object = {}): Promise<string> {
  const verdict = judgeUnder(file, await readMail(message));
  return [verdict.kind, ...verdict.findings.map(({ symbol }) => symbol)].join(" ");
}

const UNSCANNABLE = "quarantine ATTACHMENT_UNSCANNABLE";
const SEALED = "quarantine ATTACHMENT_SEALED_MESSAGE";
const FILLING = "A".repeat(200);

const CONTAINERS: readonly (readonly [name: string, start: string])[] = [
  ["alz", "ALZ\x01\x0a\0\0\0"],
  ["ar", "!<arch>\ndebian-binary   "],
  ["binhex", "(This file must be converted with BinHex 4.0)\r\n\r\n:abc"],
  ["compress", "\x1f\x9d\x90"],
  ["cpio", "07070100000000000000000000000"],
  ["egg", "EGGA\0\x01"],
  ["lz4", "\x04\x22\x4d\x18"],
  ["lzh", "\x1f\0-lh5-"],
  ["lzip", "LZIP\x01\x0c"],
  ["lzma", "\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0"],
  ["qcow2", "QFI\xfb\0\0\0\x03"],
  ["rpm", "\xed\xab\xee\xdb\x03\0"],
  ["squashfs", "hsqs"],
  ["stuffit", "StuffIt (c)1997"],
  ["tnef", "\x78\x9f\x3e\x22\x01\0"],
  ["vdi", `${"<".repeat(64)}\x7f\x10\xda\xbe`],
  ["vmdk", "KDMV\x01\0\0\0"],
  ["xar", "xar!\0\x1c\0\x01"],
  ["zoo", `ZOO 2.10 Archive.\x1a\0\0\xdc\xa7\xc4\xfd`],
  ["zstd", zstdCompressSync(Buffer.from("text")).toString("latin1")],
  ["zstd behind a skippable frame", "\x50\x2a\x4d\x18\0\0\0\0"],
];

for (const [kind, start] of CONTAINERS) {
  test(`a container that we cannot list is held: ${kind}`, async () => {
    const message = attached("report.dat", "application/octet-stream", start + FILLING);
    assert.equal((await outcome(message)).startsWith(UNSCANNABLE), true);
  });
}

for (const start of ["0707 123456 is my number", "EGGAR wrote", "SIT! said he", "StuffIt is old"]) {
  test(`a letter is no container for its first word: ${start}`, async () => {
    assert.equal(
      await outcome(mail("Content-Type: text/plain", `${start}\n${FILLING}`)),
      "neutral",
    );
  });
}

const ZIP_ENTRY =
  "PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\x01\0\0\0\x06\0\0\0in.zipx" +
  "PK\x01\x02\x14\0\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\x01\0\0\0\x06\0\0\0\0\0\0\0\0\0" +
  "\0\0\0\0\0\0\0\0in.zip" +
  "PK\x05\x06\0\0\0\0\x01\0\x01\0\x34\0\0\0\x25\0\0\0\0\0";

test("an archive in an archive is held: only the first level was listed", async () => {
  assert.equal(await outcome(attached("out.zip", "application/zip", ZIP_ENTRY)), UNSCANNABLE);
  const packed = gzipSync(ZIP_ENTRY);
  assert.equal(await outcome(attached("in.zip.gz", "application/gzip", packed)), UNSCANNABLE);
  assert.equal(await outcome(attached("a.txt.gz", "application/gzip", packed)), "neutral");
});

test("S/MIME and OpenPGP around the content are held, and marked where policy says so", async () => {
  const smime = attached("smime.p7m", "application/pkcs7-mime; smime-type=signed-data", FILLING);
  assert.equal(await outcome(smime), SEALED);
  const named = attached("letter.pgp", "application/octet-stream", FILLING);
  assert.equal(await outcome(named), SEALED);
  const inline = mail("Subject: x", "-----BEGIN PGP MESSAGE-----\n\nabcd");
  assert.equal(await outcome(inline), SEALED);
  const marked = await outcome(smime, { onSealedMessage: "stamp" });
  assert.equal(marked, "neutral ATTACHMENT_SEALED_MESSAGE");
});

const PROGRAM_INSIDE = mail(
  "Content-Type: multipart/mixed; boundary=y",
  "--y\nContent-Type: application/octet-stream; name=a.exe\n\nabc\n--y--",
);

for (const [name, type] of [
  ["a.eml", "application/octet-stream"],
  ["a.EML", "text/plain"],
  ["a.mht", "application/octet-stream"],
] as const) {
  test(`a saved message is looked into whatever its type: ${name} as ${type}`, async () => {
    const [kind] = (await outcome(attached(name, type, PROGRAM_INSIDE))).split(" ");
    assert.equal(kind, "reject");
  });
}

test("a multipart without a boundary is held: some readers guess it", async () => {
  const message = mail(
    "Content-Type: multipart/mixed",
    "--y\nContent-Type: text/plain\n\nx\n--y--",
  );
  assert.equal(await outcome(message), "quarantine ATTACHMENT_AMBIGUOUS");
});

test("a header with a bare CR in an encoded message is held", async () => {
  const inner = PROGRAM_INSIDE.toString("latin1").replaceAll("\r\n", "\r");
  const message = attached("letter", "message/rfc822", inner);
  assert.match(await outcome(message), /^quarantine ATTACHMENT_AMBIGUOUS/);
});

const OLE2 = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";

for (const before of [600, 70_000, 70_001])
  test(`an Office document with a password is held, its stream named at octet ${before}`, async () => {
    const stream = Buffer.from("EncryptedPackage\0", "utf16le").toString("latin1");
    const octets = OLE2 + "\0".repeat(before) + stream + "\0".repeat(512);
    const held = "quarantine ATTACHMENT_ENCRYPTED_ARCHIVE";
    assert.equal(await outcome(attached("a.docx", "application/octet-stream", octets)), held);
  });

test("letters of base64url in an attachment are held, for some decode them and we do not", async () => {
  const header =
    "Content-Transfer-Encoding: base64\nContent-Disposition: attachment; filename=a.bin";
  const held = await outcome(mail(`${header}`, "QUJD-UFC\nQUJD"));
  assert.equal(held, "quarantine ATTACHMENT_AMBIGUOUS ATTACHMENT_ODD");
  const footer = await outcome(mail(`${header}`, "QUJDREE=\n\n_____________\nlist-footer"));
  assert.equal(footer, "neutral ATTACHMENT_ODD");
});

test("a file that is written out in a letter is held: yEnc, BinHex", async () => {
  const yenc = "see below\n=ybegin line=128 size=5 name=a.exe\nabcde\n=yend size=5";
  assert.equal(await outcome(mail("Subject: x", yenc)), UNSCANNABLE);
  const binhex = "see below\n(This file must be converted with BinHex 4.0)\n\n:abcde:";
  assert.equal(await outcome(mail("Subject: x", binhex)), UNSCANNABLE);
  const talk = "Who still writes =ybegin line=128 name=x into\n> =ybegin letters?";
  assert.equal(await outcome(mail("Subject: x", talk)), "neutral");
});
