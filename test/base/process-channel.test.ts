import assert from "node:assert/strict";
import { test } from "node:test";
import { PolicyError, Unavailable } from "../../src/base/errors.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { createProcessPair } from "../support/process-pair.ts";

const PROBLEM = { file: "a.yaml", line: 1, col: 2, path: "b", message: "expected c" };

function pair() {
  const clock = createFakeClock();
  const told: unknown[] = [];
  const right = {
    double: (value: number) => 2 * value,
    tell: (value: string) => void told.push(value),
    away: async (_: null) => {
      throw new Unavailable("spool", "too little free disk");
    },
    policy: (_: null) => {
      throw new PolicyError([PROBLEM]);
    },
    bug: (_: null) => {
      throw new TypeError("undefined is not a function");
    },
    silent: (_: null) => new Promise<void>(() => {}),
  };
  return { clock, told, ...createProcessPair(clock, { left: {}, right }) };
}

test("a question gets its own answer, however many are asked at once", async () => {
  const { left } = pair();
  assert.deepEqual(
    await Promise.all([1, 2, 3].map((value) => left.call("double", value))),
    [2, 4, 6],
  );
});

test("what is told is heard, and nobody waits for an answer", async () => {
  const { left, told } = pair();
  left.tell("tell", "a");
  await left.call("double", 1);
  assert.deepEqual(told, ["a"]);
});

test("what the other side throws is thrown here, by its kind", async () => {
  const { left } = pair();
  await assert.rejects(
    left.call("away", null),
    (error) => error instanceof Unavailable && error.message === "spool: too little free disk",
  );
  await assert.rejects(left.call("policy", null), (error) => {
    assert.ok(error instanceof PolicyError);
    assert.deepEqual(error.problems, [PROBLEM]);
    return true;
  });
  await assert.rejects(left.call("bug", null), /undefined is not a function/);
  await assert.rejects(left.call("unknown" as "bug", null), /no operation unknown/);
  await assert.rejects(left.call("toString" as "bug", null), /no operation toString/);
});

test("a side that is silent is unavailable after the limit", async () => {
  const { clock, left } = pair();
  const asked = left.call("silent", null, 5000);
  const refused = assert.rejects(asked, /^Unavailable: right: no answer to silent within 5000 ms/);
  await clock.advance(5000);
  await refused;
});

test("when the other side ends, all who wait hear it, and so do all who ask later", async () => {
  const { cut, left } = pair();
  const waiting = [left.call("silent", null), left.call("silent", null)];
  cut();
  for (const asked of waiting) await assert.rejects(asked, /right: its process has ended/);
  await assert.rejects(left.call("double", 1), /right: its process has ended/);
  left.tell("tell", "nobody hears");
});
