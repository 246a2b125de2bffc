import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);
const LOG = new URL("../../src/base/log.ts", import.meta.url).href;

/** What a process writes that does this with a log. */
async function linesOf(script: string): Promise<readonly { event: string; n?: number }[]> {
  const code = `import { createLog } from ${JSON.stringify(LOG)};
    const log = createLog({ level: "info", format: "json" });
    ${script}`;
  const args = ["--input-type=module", "--eval", code];
  const failed = (error: { stdout: string }) => error;
  const { stdout } = await run(process.execPath, args).catch(failed);
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

test("lines come whole and in order, whatever turn of the event loop they were said in", async () => {
  const lines = await linesOf(`for (let n = 0; n < 50; n++) log.info("first", { n });
    setTimeout(() => log.info("later"), 1);`);
  assert.deepEqual(
    lines.slice(0, 50).map(({ n }) => n),
    Array.from({ length: 50 }, (_, n) => n),
  );
  assert.deepEqual(
    lines.slice(50).map(({ event }) => event),
    ["later"],
  );
});

test("what a process said in the turn in which it ends is written before it ends", async () => {
  const exits = await linesOf(`log.error("last"); process.exit(1);`);
  assert.deepEqual(
    exits.map(({ event }) => event),
    ["last"],
  );
  const later = await linesOf(`log.info("turns before");
    setImmediate(() => setImmediate(() => process.exit(0)));`);
  assert.deepEqual(
    later.map(({ event }) => event),
    ["turns before"],
  );
  const rejected = await linesOf(`log.info("before"); void Promise.reject(new Error("a test's"));`);
  assert.deepEqual(
    rejected.map(({ event }) => event),
    ["before"],
  );
  const crashes = await linesOf(`process.on("uncaughtException", () => {
      log.error("crash");
      process.exit(1);
    });
    log.info("before");
    throw new Error("made by a test");`);
  assert.deepEqual(
    crashes.map(({ event }) => event),
    ["before", "crash"],
  );
});
