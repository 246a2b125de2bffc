import assert from "node:assert/strict";
import { test } from "node:test";
import { tarMember, tarOf } from "../support/archive-bytes.ts";
import { listArchive, namesOf } from "../support/list-archive.ts";

const DATA = Buffer.alloc(700, "x");
const run = tarMember("d/run.exe", DATA);

test("files and folders of a tar are listed, in whatever pieces it comes", async () => {
  for (const pieceBytes of [1, 511, 5000]) {
    const listing = await listArchive(tarOf(run, tarMember("d/", undefined, "5")), pieceBytes);
    assert.deepEqual(listing, {
      kind: "tar",
      entries: [
        { names: ["run.exe"], isFolder: false, isEncrypted: false, bytes: 700 },
        { names: ["d"], isFolder: true, isEncrypted: false, bytes: 0 },
      ],
      notes: [],
    });
  }
});

test("an entry has its long GNU name or its pax path, and the name that old readers take", async () => {
  const gnu = tarMember("././@LongLink", Buffer.from("d/real.js\0"), "L");
  const pax = tarMember("PaxHeader", Buffer.from("15 path=d/a.js\n"), "x");
  for (const [extension, name] of [
    [gnu, "real.js"],
    [pax, "a.js"],
  ] as const) {
    const listing = await listArchive(tarOf(extension, tarMember("b.txt"), tarMember("c.txt")));
    assert.deepEqual(
      listing?.entries.map(({ names }) => names),
      [[name, "b.txt"], ["c.txt"]],
    );
    assert.deepEqual(listing?.notes, []);
  }
});

test("a pax size that is not the header's leaves doubt of what follows", async () => {
  const pax = tarMember("PaxHeader", Buffer.from("12 size=512\n"), "x");
  const listing = await listArchive(tarOf(pax, tarMember("a", Buffer.alloc(1024)), run));
  assert.ok(listing?.notes.includes("malformed"));
});

test("files behind the end of a tar are listed, since some readers go on", async () => {
  const listing = await listArchive(Buffer.concat([tarOf(tarMember("a.txt")), tarOf(run)]));
  assert.deepEqual(namesOf(listing), ["a.txt", "run.exe"]);
  assert.deepEqual(listing?.notes, ["data-behind"]);
});

test("a tar that ends within a file is truncated, and one with a broken header malformed", async () => {
  assert.deepEqual((await listArchive(run.subarray(0, 900)))?.notes, ["truncated"]);
  const broken = await listArchive(Buffer.concat([run, Buffer.alloc(512, "?")]));
  assert.deepEqual([namesOf(broken), broken?.notes], [["run.exe"], ["malformed"]]);
});
