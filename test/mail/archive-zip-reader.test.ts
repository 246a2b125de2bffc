import assert from "node:assert/strict";
import { test } from "node:test";
import { zipOf } from "../support/archive-bytes.ts";
import { listArchive, namesOf } from "../support/list-archive.ts";

const DATA = Buffer.from("some octets");
const zip = zipOf([{ name: "d/run.exe", data: DATA }, { name: "d/" }]);

test("a zip behind anything is found, in whatever pieces it comes", async () => {
  for (const [before, pieceBytes] of [
    ["GIF89a", 1],
    ["x".repeat(70_000), 1000],
    ["P", 2],
    ["PKPKPK", 3],
  ] as const) {
    const listing = await listArchive(Buffer.concat([Buffer.from(before), zip]), pieceBytes);
    assert.deepEqual(listing?.notes, ["data-before"]);
    assert.deepEqual(namesOf(listing), ["run.exe", "d"]);
    assert.deepEqual(
      listing?.entries.map(({ isFolder }) => isFolder),
      [false, true],
    );
  }
});

test("octets behind a zip are noted, and a comment is none of them", async () => {
  const behind = await listArchive(Buffer.concat([zip, DATA]));
  assert.deepEqual([namesOf(behind), behind?.notes], [["run.exe", "d"], ["data-behind"]]);
  assert.deepEqual((await listArchive(zipOf([{ name: "a" }], "a comment")))?.notes, []);
});

test("a zip with so much behind it that its end is not found is listed from its start", async () => {
  const listing = await listArchive(Buffer.concat([zip, Buffer.alloc(100_000)]));
  assert.deepEqual([namesOf(listing), listing?.notes], [["run.exe", "d"], ["truncated"]]);
});

test("an empty zip is a zip of nothing", async () => {
  assert.deepEqual(await listArchive(zipOf([])), { kind: "zip", entries: [], notes: [] });
});

test("an entry has the names of both headers and of the Unicode field", async () => {
  const listing = await listArchive(
    zipOf([{ name: "run.exe", centralName: "run.txt", unicodeName: "run.js", data: DATA }]),
  );
  assert.deepEqual(listing?.entries[0]?.names, ["run.txt", "run.js", "run.exe"]);
  assert.deepEqual(listing?.notes, ["name-mismatch"]);
});

test("of two zips one behind the other both are listed", async () => {
  const other = zipOf([{ name: "b.js", data: DATA }]);
  const listing = await listArchive(Buffer.concat([zip, other]));
  assert.deepEqual([...namesOf(listing)].sort(), ["b.js", "d", "run.exe"]);
  assert.deepEqual(listing?.notes, ["data-before"]);
});

test("a file that the directory leaves out is listed", async () => {
  const hidden = zipOf([{ name: "run.exe", data: DATA }]).subarray(0, 30 + 7 + DATA.length);
  const listing = await listArchive(Buffer.concat([hidden, zipOf([{ name: "a.txt" }])]));
  assert.deepEqual(namesOf(listing), ["a.txt", "run.exe"]);
  assert.deepEqual([...(listing?.notes ?? [])].sort(), ["data-before", "name-mismatch"]);
});

test("a zip stored in a zip is one entry, not its entries", async () => {
  const listing = await listArchive(zipOf([{ name: "inner.zip", data: zip }]));
  assert.deepEqual([namesOf(listing), listing?.notes], [["inner.zip"], []]);
});

test("names that leave the folder are noted", async () => {
  for (const name of ["../../a.sh", "/etc/a.sh", "C:\\a.sh", "d\\..\\a.sh"]) {
    const listing = await listArchive(zipOf([{ name }]));
    assert.deepEqual(listing?.notes, ["path-traversal"]);
    assert.ok(listing?.entries[0]?.names.includes("a.sh"));
  }
});

test("entries that share octets are an overlap", async () => {
  const twice = Buffer.from(zipOf([{ name: "a" }, { name: "a" }]));
  // The second central header is made to point where the first does.
  const second = twice.lastIndexOf("PK\x01\x02");
  twice.writeUInt32LE(0, second + 42);
  assert.ok((await listArchive(twice))?.notes.includes("overlap"));
});

test("entries beyond the limit are not listed, and that is said", async () => {
  const members = Array.from({ length: 1001 }, (_, i) => ({ name: `f${i}` }));
  const listing = await listArchive(zipOf(members));
  assert.equal(listing?.entries.length, 1000);
  assert.deepEqual(listing?.notes, ["limit-entries"]);
});

test("a zip without its end is listed from its local headers", async () => {
  const listing = await listArchive(zip.subarray(0, -30));
  assert.deepEqual([namesOf(listing), listing?.notes], [["run.exe", "d"], ["truncated"]]);
});
