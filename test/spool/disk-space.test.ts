import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { createDiskSpace, type FreeSpace } from "../../src/spool/disk-space.ts";

const ROOMY: FreeSpace = { bavail: 1000, blocks: 2000, bsize: 1000, ffree: 5000, files: 9000 };

function spaceWith(change: Partial<FreeSpace>) {
  const read = async () => ({ ...ROOMY, ...change });
  return createDiskSpace({ folder: "/nowhere", minFreePercent: () => 2, read });
}

test("three times the message must be free", async () => {
  assert.equal(await spaceWith({ bavail: 300 })(100_000), true);
  assert.equal(await spaceWith({ bavail: 299 })(100_000), false);
});

test("two percent of the disk must be free", async () => {
  assert.equal(await spaceWith({ bavail: 40 })(1), true);
  assert.equal(await spaceWith({ bavail: 39 })(1), false);
});

test("a disk without inodes is full, one that does not count them is not", async () => {
  assert.equal(await spaceWith({ ffree: 99 })(1), false);
  assert.equal(await spaceWith({ ffree: 0, files: 0 })(1), true);
});

test("a disk that does not answer has no space", async () => {
  const folder = `${tmpdir()}/is-not-there`;
  assert.equal(await createDiskSpace({ folder, minFreePercent: () => 2 })(1), false);
  assert.equal(await createDiskSpace({ folder: tmpdir(), minFreePercent: () => 0 })(1), true);
});
