import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { createDataLock } from "../../src/control/data-lock.ts";
import { afterwards } from "../support/afterwards.ts";

const script = fileURLToPath(new URL("../support/hold-lock.ts", import.meta.url));
let root = "";
before(async () => {
  root = await mkdtemp(join(tmpdir(), "postern-lock-"));
});
after(() => rm(root, { recursive: true }));

/** A process of its own that wants the lock, and what it says to have got. */
async function contend(
  t: TestContext,
  folder: string,
): Promise<{ child: ChildProcess; said: string }> {
  const argv = ["--expose-gc", script, folder];
  const child = spawn(process.execPath, argv, { stdio: ["pipe", "pipe", "inherit"] });
  afterwards(t, () => void child.kill("SIGKILL"));
  const [said] = await once(child.stdout!, "data");
  return { child, said: String(said).trim() };
}

async function end(
  { child }: { child: ChildProcess },
  signal: "SIGKILL" | "SIGTERM",
): Promise<void> {
  const gone = once(child, "exit");
  child.kill(signal);
  await gone;
}

describe("data lock", () => {
  test("the folder is made for its owner only, and the lock is free after a release", async () => {
    const folder = join(root, "new", "data");
    const lock = createDataLock(folder);
    assert.equal(await lock.holder(), null);
    assert.equal(await lock.take("command"), true);
    assert.equal((await stat(folder)).mode & 0o777, 0o700);
    assert.deepEqual(await lock.holder(), { pid: process.pid, purpose: "command" });
    assert.equal(await lock.take("command"), false);
    assert.equal(await createDataLock(folder).take("gateway"), false);
    await lock.release();
    await lock.release();
    assert.equal(await lock.holder(), null);
    assert.deepEqual(await readdir(folder), ["lock"]);
    assert.equal(await lock.take("gateway"), true);
    await lock.release();
  });

  test("of several processes that start together exactly one gets it", async (t) => {
    const folder = join(root, "race");
    const contenders = await Promise.all(Array.from({ length: 5 }, () => contend(t, folder)));
    const winners = contenders.filter(({ said }) => said === "taken");
    assert.equal(winners.length, 1);
    assert.deepEqual(await createDataLock(folder).holder(), {
      pid: winners[0]!.child.pid,
      purpose: "gateway",
    });
    await Promise.all(contenders.map((one) => end(one, "SIGTERM")));
  });

  test("a killed owner leaves no lock behind, although its note says otherwise", async (t) => {
    const folder = join(root, "killed");
    const owner = await contend(t, folder);
    assert.equal(owner.said, "taken");
    const lock = createDataLock(folder);
    assert.equal(await lock.take("command"), false);
    await end(owner, "SIGKILL");
    assert.equal((await lock.holder())?.pid, owner.child.pid);
    assert.equal(await lock.take("command"), true);
    assert.equal((await lock.holder())?.pid, process.pid);
    await lock.release();
  });

  test("rubbish in the note is nobody, rubbish in the lock is an error and never a lock", async () => {
    const folder = join(root, "rubbish");
    const lock = createDataLock(folder);
    assert.equal(await lock.take("command"), true);
    await writeFile(join(folder, "lock.json"), "[1, 2");
    assert.equal(await lock.holder(), null);
    await lock.release();
    await writeFile(join(folder, "lock"), "rubbish ".repeat(1000));
    await assert.rejects(lock.take("command"), /not a database/);
    await rm(join(folder, "lock"));
    assert.equal(await lock.take("command"), true);
    await lock.release();
  });
});
