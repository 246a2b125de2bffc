import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createDueQueue } from "../../src/spool/due-queue.ts";

test("ids come out in order of their time, equal times in order of arrival", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20 })), (times) => {
      const queue = createDueQueue();
      for (const [id, dueAt] of times.entries()) queue.push(String(id), dueAt);
      const expected = [...times.entries()].sort((a, b) => a[1] - b[1] || a[0] - b[0]);
      for (const [id, dueAt] of expected) {
        assert.equal(queue.nextDueAt(), dueAt);
        assert.equal(queue.pop(20), String(id));
      }
      assert.equal(queue.pop(20), null);
      assert.equal(queue.nextDueAt(), null);
    }),
  );
});

test("what is not due stays", () => {
  const queue = createDueQueue();
  queue.push("later", 10);
  assert.equal(queue.pop(9), null);
  assert.equal(queue.pop(10), "later");
});
