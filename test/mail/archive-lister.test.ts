import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import type { Clock } from "../../src/base/clock.ts";
import { createArchiveLister } from "../../src/mail/archive-lister.ts";
import { createScratchSpace } from "../../src/mail/scratch.ts";
import { arjOf, cabOf, rar4Of, rar5Of, tarMember, tarOf, zipOf } from "../support/archive-bytes.ts";
import { conformanceData } from "../support/conformance-data.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { listArchive, namesOf } from "../support/list-archive.ts";

const DATA = Buffer.from("some octets");
const entry = (name: string, bytes: number | null, isEncrypted = false) => ({
  names: [name],
  isFolder: false,
  isEncrypted,
  bytes,
});

const haraka = conformanceData("haraka-attachment");
for (const [file, kind, entries] of [
  ["3layer.zip", "zip", [entry("valid2.zip", 328)]],
  ["encrypt-recursive.zip", "zip", [entry("encrypt.zip", 188, true)]],
  ["encrypt.zip", "zip", [entry("empty", 0, true)]],
  ["gz-in-zip.zip", "zip", [entry("empty.gz", 26)]],
  ["invalid-in-valid.zip", "zip", [entry("invalid.zip", 8)]],
  ["password.zip", "zip", [entry("empty", 0, true)]],
  ["valid.zip", "zip", [entry("empty", 0)]],
  ["empty.gz", "gzip", [entry("empty", null)]],
] as const)
  test(`Haraka's ${file} is listed`, { skip: haraka.skip }, async () => {
    const octets = await readFile(join(haraka.folder, file));
    assert.deepEqual(await listArchive(octets), { kind, entries, notes: [] });
  });

test("Haraka's invalid.zip, which is a text, is no archive", { skip: haraka.skip }, async () => {
  assert.equal(await listArchive(await readFile(join(haraka.folder, "invalid.zip"))), null);
});

const rar = [
  { name: "d\\run.exe", data: DATA },
  { name: "b.txt", data: DATA, isEncrypted: true },
];
const listed = [entry("run.exe", DATA.length), entry("b.txt", DATA.length, true)];

for (const [what, octets, kind, entries] of [
  ["RAR 4", rar4Of(rar), "rar", listed],
  ["RAR 5", rar5Of(rar), "rar", listed],
  ["ARJ", arjOf(rar), "arj", listed],
  ["a cabinet", cabOf(["a.txt", "setup\\b.exe"]), "cab", [entry("a.txt", 3), entry("b.exe", 3)]],
] as const)
  test(`the names in ${what} are listed, in whatever pieces it comes`, async () => {
    for (const pieceBytes of [1, 3, 100, 10_000])
      assert.deepEqual(await listArchive(octets, pieceBytes), { kind, entries, notes: [] });
  });

test("an archive that ends too early is listed as far as it goes, and says so", async () => {
  for (const octets of [rar4Of(rar), rar5Of(rar), arjOf(rar), cabOf(["a.txt", "b.txt", "c.txt"])]) {
    const listing = await listArchive(octets.subarray(0, -25));
    assert.notEqual(namesOf(listing).length, 0);
    assert.notDeepEqual(listing?.notes, []);
  }
});

test("a RAR with encrypted headers says that its names cannot be seen", async () => {
  assert.deepEqual(await listArchive(rar4Of(rar, true)), {
    kind: "rar",
    entries: [],
    notes: ["encrypted-names"],
  });
});

test("a RAR behind a picture is found, as its programs find it", async () => {
  const picture = Buffer.concat([Buffer.from("\xff\xd8\xff", "latin1"), Buffer.alloc(20_000)]);
  for (const pieceBytes of [1, 7, 5000]) {
    const listing = await listArchive(Buffer.concat([picture, rar5Of(rar)]), pieceBytes);
    assert.deepEqual(listing, { kind: "rar", entries: listed, notes: ["data-before"] });
  }
});

for (const [kind, start] of [
  ["7z", "7z\xbc\xaf\x27\x1c\0\x04"],
  ["xz", "\xfd7zXZ\0\0\x04"],
  ["bzip2", "BZh91AY&SY"],
] as const)
  test(`${kind} is recognised, and said not to be listable`, async () => {
    const octets = Buffer.concat([Buffer.from(start, "latin1"), DATA]);
    assert.deepEqual(await listArchive(octets), { kind, entries: [], notes: ["not-listable"] });
  });

test("a tar in gzip is listed, and other octets in it are one entry without a name", async () => {
  const tar = tarOf(tarMember("a/run.js", DATA));
  assert.deepEqual(await listArchive(gzipSync(tar), 5), {
    kind: "gzip",
    entries: [entry("run.js", DATA.length)],
    notes: [],
  });
  assert.deepEqual(await listArchive(gzipSync(DATA)), {
    kind: "gzip",
    entries: [{ names: [], isFolder: false, isEncrypted: false, bytes: null }],
    notes: [],
  });
});

test("inflating ends at the ratio, at the octets and at the time allowed", async () => {
  const bomb = gzipSync(tarOf(tarMember("a.txt", Buffer.alloc(4_000_000)), tarMember("b.exe")));
  const slow: Clock = createFakeClock();
  let ms = 0;
  const clock = { ...slow, monotonic: () => (ms += 100) };
  const allow = { ratio: 1_000_000 };
  assert.deepEqual((await listArchive(bomb))?.notes, ["limit-ratio"]);
  const byBytes = await listArchive(bomb, 1000, { ...allow, expandedBytes: 100_000 });
  assert.deepEqual(byBytes?.notes, ["limit-bytes"]);
  const byTime = await listArchive(bomb, 1000, { ...allow, milliseconds: 500 }, clock);
  assert.deepEqual(byTime?.notes, ["limit-time"]);
  assert.deepEqual(namesOf(await listArchive(bomb, 1000, allow)), ["a.txt", "b.exe"]);
});

test("a gzip that ends too early, or goes wrong, says so", async () => {
  const octets = gzipSync(tarOf(tarMember("a.txt", DATA)));
  assert.deepEqual((await listArchive(octets.subarray(0, -9)))?.notes, ["truncated"]);
  const wrong = Buffer.from(octets);
  wrong.fill(0xff, 30, 40);
  assert.deepEqual((await listArchive(wrong))?.notes, ["malformed"]);
});

const sizes = { tempDir: "/", perItemBytes: 99_999, totalBytes: 99_999 };

test("pieces of any size give one list", async () => {
  const octets = zipOf([{ name: "a.txt", data: Buffer.alloc(40_000) }, { name: "b.exe" }]);
  for (const pieceBytes of [1, 57, 9000, 16_384, 30_000]) {
    const scratch = createScratchSpace(sizes);
    const lister = createArchiveLister({ scratch, clock: createFakeClock() });
    for (let at = 0; at < octets.length; at += pieceBytes)
      await lister.write(octets.subarray(at, at + pieceBytes));
    assert.deepEqual(namesOf(await lister.end()), ["a.txt", "b.exe"]);
  }
});

test("a part that was given up leaves nothing behind", async () => {
  const scratch = createScratchSpace(sizes);
  const lister = createArchiveLister({ scratch, clock: createFakeClock(), gatherBytes: 1 });
  await lister.write(zipOf([{ name: "a.txt" }]));
  assert.notEqual(scratch.memoryBytes(), 0);
  await lister.abort();
  assert.equal(scratch.memoryBytes(), 0);
});

test("random octets and damaged archives never throw, and text is no archive", async () => {
  const seeds = [
    zipOf([{ name: "a.exe", data: DATA }, { name: "b/" }]),
    tarOf(tarMember("a", DATA), tarMember("x", Buffer.from("15 path=run.exe"), "x")),
    gzipSync(tarOf(tarMember("a", DATA))),
    rar4Of(rar),
    rar5Of(rar),
    arjOf(rar),
    cabOf(["a.txt", "b.txt"]),
  ];
  const change = fc.tuple(fc.nat(3000), fc.nat(255));
  const damaged = fc
    .tuple(fc.constantFrom(...seeds), fc.array(change, { maxLength: 6 }), fc.nat(3000))
    .map(([seed, changes, cut]) => {
      const octets = Buffer.from(seed);
      for (const [at, octet] of changes) octets[at % octets.length] = octet;
      return octets.subarray(0, cut < 1500 ? octets.length : cut);
    });
  const random = fc.uint8Array({ maxLength: 5000 }).map((octets) => Buffer.from(octets));
  await fc.assert(
    fc.asyncProperty(fc.oneof(damaged, random), fc.integer({ min: 1, max: 900 }), async (o, n) => {
      const listing = await listArchive(o, n);
      assert.deepEqual(listing, await listArchive(o, 100_000), "pieces make no difference");
    }),
    { numRuns: 400 },
  );
  assert.equal(await listArchive(Buffer.from("plain text ".repeat(9000))), null);
});
