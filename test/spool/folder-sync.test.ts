import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { createFolderSync } from "../../src/spool/folder-sync.ts";
import { createSpoolIo } from "../../src/spool/spool-io.ts";

function controlled() {
  const calls: { resolve(): void; reject(error: Error): void }[] = [];
  const syncFolder = () =>
    new Promise<void>((resolve, reject) => void calls.push({ resolve, reject }));
  return { calls, sync: createFolderSync({ ...createSpoolIo(), syncFolder }, "/nowhere") };
}

test("whoever asks while a sync runs waits for one that begins afterwards, all together", async () => {
  const { calls, sync } = controlled();
  const first = sync();
  const done: string[] = [];
  const second = sync().then(() => done.push("second"));
  const third = sync().then(() => done.push("third"));
  assert.equal(calls.length, 1);
  calls[0]?.resolve();
  await first;
  await turn();
  assert.deepEqual(done, []);
  assert.equal(calls.length, 2);
  calls[1]?.resolve();
  await Promise.all([second, third]);
  assert.equal(calls.length, 2);
});

test("a failed sync fails those who waited for it, and not the next", async () => {
  const { calls, sync } = controlled();
  const first = sync();
  const second = sync();
  calls[0]?.reject(new Error("EIO"));
  await assert.rejects(first);
  await turn();
  calls[1]?.resolve();
  await second;
  const third = sync();
  calls[2]?.resolve();
  await third;
});
