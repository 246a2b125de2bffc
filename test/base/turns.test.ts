import assert from "node:assert/strict";
import { test } from "node:test";
import { createTurns } from "../../src/base/turns.ts";

test("work is done one after the other, also after work that failed", async () => {
  const inTurn = createTurns();
  const done: string[] = [];
  const first = Promise.withResolvers<void>();
  const failed = inTurn(async () => {
    await first.promise;
    done.push("first");
    throw new Error("no");
  });
  const second = inTurn(async () => done.push("second"));
  const third = inTurn(async () => done.push("third"));
  first.resolve();
  await assert.rejects(failed, /no/);
  assert.deepEqual([await second, await third], [2, 3]);
  assert.deepEqual(done, ["first", "second", "third"]);
});
