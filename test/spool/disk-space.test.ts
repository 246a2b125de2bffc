import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { createDiskSpace, type FreeSpace, readUsedPercent } from "../../src/spool/disk-space.ts";
import { createFakeClock } from "../support/fake-clock.ts";

const ROOMY: FreeSpace = { bavail: 1000, blocks: 2000, bsize: 1000, ffree: 5000, files: 9000 };

function spaceWith(change: Partial<FreeSpace>) {
  const read = async () => ({ ...ROOMY, ...change });
  const clock = createFakeClock();
  return createDiskSpace({ folder: "/nowhere", minFreePercent: () => 2, clock, read });
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
  const clock = createFakeClock();
  assert.equal(await createDiskSpace({ folder, minFreePercent: () => 2, clock })(1), false);
  assert.equal(
    await createDiskSpace({ folder: tmpdir(), minFreePercent: () => 0, clock })(1),
    true,
  );
});

test("a disk is not asked for each message, and what was taken since counts as gone", async () => {
  const clock = createFakeClock();
  let asked = 0;
  const read = async () => {
    asked += 1;
    return { ...ROOMY, bavail: 300, ffree: 5000 };
  };
  const hasSpace = createDiskSpace({ folder: "/nowhere", minFreePercent: () => 2, clock, read });
  assert.deepEqual(await Promise.all([hasSpace(75_000), hasSpace(75_000)]), [true, true]);
  assert.equal(await hasSpace(75_000), false, "150 of 300 kB are taken, 225 are wanted");
  assert.equal(asked, 1);
  await clock.advance(200);
  assert.equal(await hasSpace(75_000), true);
  assert.equal(asked, 2);
});

test("a disk that did not answer is asked again at once", async () => {
  const clock = createFakeClock();
  const answers: (FreeSpace | Error)[] = [new Error("EIO"), ROOMY];
  const read = async () => {
    const answer = answers.shift();
    if (!answer || answer instanceof Error) throw answer;
    return answer;
  };
  const hasSpace = createDiskSpace({ folder: "/nowhere", minFreePercent: () => 2, clock, read });
  assert.equal(await hasSpace(1), false);
  assert.equal(await hasSpace(1), true);
});

test("of blocks and inodes the scarcer tells how full a disk is", async () => {
  assert.equal(await readUsedPercent("/", async () => ROOMY), 50);
  assert.equal(await readUsedPercent("/", async () => ({ ...ROOMY, ffree: 90 })), 99);
  assert.equal(await readUsedPercent("/", async () => ({ ...ROOMY, files: 0, ffree: 0 })), 50);
});
