import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));
const run = (...argv: string[]) => promisify(execFile)(process.execPath, [main, ...argv]);

describe("main", () => {
  test("the exit code is the command's, and output reaches a pipe whole", async () => {
    const { stdout, stderr } = await run("version", "--json");
    assert.equal(JSON.parse(stdout).node, process.version);
    assert.equal(stderr, "");
    await assert.rejects(run("nonsense"), { code: 2 });
  });

  test("a pipe that closes early is no failure", async () => {
    const child = spawn(process.execPath, [main, "--help"], { stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.destroy();
    const [code] = await once(child, "exit");
    assert.equal(code, 0);
  });
});
