import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { createTypeSniffer } from "../../src/mail/true-type.ts";
import { cabOf, rar4Of, rar5Of, tarMember, tarOf, zipOf } from "../support/archive-bytes.ts";

const latin1 = (text: string) => Buffer.from(text, "latin1");

async function typesOf(octets: Buffer, pieceBytes = 10_000): Promise<readonly string[]> {
  const sniffer = createTypeSniffer();
  for (let at = 0; at < octets.length; at += pieceBytes)
    sniffer.write(Buffer.from(octets.subarray(at, at + pieceBytes)));
  return sniffer.end();
}

function placed(size: number, ...marks: readonly (readonly [number, string])[]): Buffer {
  const octets = Buffer.alloc(size);
  for (const [at, mark] of marks) octets.write(mark, at, "latin1");
  return octets;
}

const PE = placed(400, [0, "MZ"], [0x3c, "\x80"], [0x80, "PE\0\0"]);
const OLE = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
const INSTALLER = "\x84\x10\x0c\0\0\0\0\0\xc0\0\0\0\0\0\0\x46";
const ONENOTE = "\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3";

for (const [type, octets] of [
  ["pe", PE],
  ["pe", placed(200_000, [0, "MZ"], [0x3c, "\0\0\x02"])],
  ["dos", placed(400, [0, "MZ"])],
  ["elf", placed(100, [0, "\x7fELF\x02"])],
  ["macho", placed(100, [0, "\xcf\xfa\xed\xfe"])],
  ["macho", placed(100, [0, "\xca\xfe\xba\xbe\0\0\0\x02"])],
  ["java-class", placed(100, [0, "\xca\xfe\xba\xbe\0\0\0\x34"])],
  ["lnk", placed(100, [0, "\x4c\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0\x46"])],
  ["iso", placed(40_000, [0x8001, "CD001"])],
  ["iso", placed(50_000, [0x8801, "BEA01"])],
  ["onenote", placed(100, [0, ONENOTE])],
  ["vhd", placed(1000, [0, "conectix"])],
  ["vhd", placed(200_000, [200_000 - 512, "conectix"])],
  ["vhdx", placed(100, [0, "vhdxfile"])],
  ["wim", placed(100, [0, "MSWIM\0\0\0"])],
  ["chm", placed(100, [0, "ITSF"])],
  ["ole2", placed(600, [0, OLE])],
  ["msi", placed(6000, [0, OLE], [30, "\x09\0"], [48, "\x02"], [1536 + 80, INSTALLER])],
  ["msi", placed(150_000, [0, OLE], [30, "\x09\0"], [48, "\xff"], [131_072 + 80, INSTALLER])],
  ["swf", placed(100, [0, "CWS\x0a"])],
  ["ico", placed(100, [0, "\0\0\x01\0\x01\0\x10\x10"])],
  ["png", placed(100, [0, "\x89PNG\r\n\x1a\n"])],
  ["jpeg", placed(100, [0, "\xff\xd8\xff\xe0"])],
  ["pdf", latin1(`${" ".repeat(1000)}%PDF-1.7`)],
  ["rtf", latin1("{\\rtf1 text}")],
  ["script", latin1("#!/bin/sh\n")],
  ["script", latin1("\xef\xbb\xbf@echo off\r\n")],
  ["html", latin1("text <HTML><body>")],
  ["html", Buffer.from("\ufeff<script>x</script>", "utf16le")],
  ["hta", latin1(`\xff\xd8\xff${"x".repeat(30_000)}<HTA:Application id=a>`)],
  ["url", latin1("[InternetShortcut]\r\nURL=file://x")],
  ["library-ms", latin1('<?xml version="1.0"?><libraryDescription>')],
  ["tar", tarOf(tarMember("a"))],
  ["gzip", gzipSync("a")],
  ["cab", cabOf(["a"])],
  ["rar", rar4Of([])],
  ["rar", rar5Of([])],
  ["7z", placed(100, [0, "7z\xbc\xaf\x27\x1c"])],
  ["xz", placed(100, [0, "\xfd7zXZ\0"])],
  ["zip", zipOf([])],
  ["ooxml", zipOf([{ name: "[Content_Types].xml" }])],
  ["jar", zipOf([{ name: "META-INF/MANIFEST.MF" }])],
  ["mp3", placed(500, [0, "ID3\x03\0\0\0\0\0\x0a"], [20, "\xff\xfb"])],
] as const)
  test(`${type} is told from its octets: ${JSON.stringify(octets.toString("latin1", 0, 12))}`, async () => {
    for (const pieceBytes of [7, 1000, 300_000])
      assert.ok((await typesOf(octets, pieceBytes)).includes(type), `${await typesOf(octets)}`);
  });

test("all types of a polyglot are told", async () => {
  const zip = zipOf([{ name: "META-INF/MANIFEST.MF" }]);
  const both = Buffer.concat([placed(90_000, [0, "GIF89a"], [500, "<script>"]), zip]);
  assert.deepEqual(await typesOf(both), ["gif", "html", "jar", "zip"]);
});

test("text, nothing and a lone mark are no type", async () => {
  for (const octets of ["", "MZ", "PK is a park", "Hello, #! world", "\x1f"])
    assert.deepEqual(await typesOf(latin1(octets)), []);
});

test("random octets behind any mark never throw, and pieces make no difference", async () => {
  const marks = ["", "MZ", OLE, "PK\x03\x04", "\x1f\x8b\x08", "ID3", "RIFF", "\x1a\x45\xdf\xa3"];
  const octets = fc
    .tuple(
      fc.constantFrom(...marks, "II*\0", "OggS", "\0\0\0\x18ftyp"),
      fc.uint8Array({ maxLength: 9000 }),
    )
    .map(([mark, rest]) => Buffer.concat([latin1(mark), rest]));
  await fc.assert(
    fc.asyncProperty(octets, fc.integer({ min: 1, max: 5000 }), async (some, pieceBytes) => {
      assert.deepEqual(await typesOf(some, pieceBytes), await typesOf(some, 100_000));
    }),
    { numRuns: 300 },
  );
});

test("a file written out in a letter is found behind any length of it, however it comes", async () => {
  const YENC = "=ybegin line=128 size=5 name=a.exe\r\nabcde\r\n=yend size=5\r\n";
  const BINHEX = "(This file must be converted with BinHex 4.0)\r\n\r\n:abc:";
  for (const before of [0, 8191, 8192, 70_000, 200_001])
    for (const pieceBytes of [1, 4096, 1_000_000]) {
      const text = "see below ".repeat(before / 10).padEnd(before, "x");
      const line = before === 0 ? "" : `${text}\r\n`;
      assert.deepEqual(await typesOf(latin1(line + YENC), pieceBytes), ["yenc"], `${before}`);
      assert.deepEqual(await typesOf(latin1(line + BINHEX), pieceBytes), ["binhex"], `${before}`);
      const talk = latin1(`${text}> ${YENC}> ${BINHEX}`);
      assert.deepEqual(await typesOf(talk, pieceBytes), [], `${before}`);
    }
});
