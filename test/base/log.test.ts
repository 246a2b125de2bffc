import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { createLog } from "../../src/base/log.ts";

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

for (const format of ["json", "pretty"] as const)
  test(`nothing that a sender says reaches the terminal of who reads the log: ${format}`, () => {
    let written = "";
    const write = (text: string) => {
      written += text;
    };
    const hostile = "\u001b[31mred\u009b32m\r\nforged\u202egnp.exe\u2028\u200b";
    const fields = { subject: hostile, error: hostile, deep: { error: hostile, list: [hostile] } };
    createLog({ level: "info", format, write }).info("decided", fields);
    assert.match(written, /decided/);
    assert.match(written, /\\u001b\[31mred\\u009b32m\\r\\nforged\\u202egnp\.exe\\u2028\\u200b/);
    assert.doesNotMatch(written, /[\0-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e]|^forged/m);
  });

test("a log for people has an event a line, and is written before the process ends", async () => {
  const code = `import { createLog } from ${JSON.stringify(LOG)};
    createLog({ level: "info", format: "pretty" }).info("last");
    process.exit(1);`;
  const args = ["--input-type=module", "--eval", code];
  const { stdout } = await run(process.execPath, args).catch((error: { stdout: string }) => error);
  assert.match(stdout, /^\[[0-9:.]+\] INFO: last\n$/);
});
