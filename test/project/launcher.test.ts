import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { mkdir, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, beforeEach, describe, test } from "node:test";
import { type FakeClone, makeCloneWithFakeNpm } from "../support/clone-with-fake-npm.ts";

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const clones: FakeClone[] = [];
let clone: FakeClone;

function launch(
  args: readonly string[],
  options: { readonly env?: Record<string, string>; readonly program?: string } = {},
): Promise<Ended> {
  const program = options.program ?? join(clone.folder, "bin/postern");
  const env = { ...clone.env, ...options.env };
  return new Promise((resolve) => {
    const child = execFile(program, args, { cwd: "/", env }, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, stdout, stderr });
    });
  });
}

/** A process id that is surely nobody's: its process has ended and was waited for. */
const deadPid = () => String(spawnSync("/bin/true").pid);

describe("bin/postern", () => {
  beforeEach(async () => {
    clone = await makeCloneWithFakeNpm();
    clones.push(clone);
  });
  after(async () => {
    for (const { remove } of clones) await remove();
  });

  test("passes its arguments and the exit status on", async () => {
    const { code, stdout } = await launch(["judge", "a b.eml", ""]);
    assert.equal(stdout, "judge|a b.eml|\n");
    assert.equal(code, 3);
  });

  test("installs once, and again only when the lock file has changed", async () => {
    await launch([]);
    await launch([]);
    assert.equal((await clone.npmCalls()).length, 1);
    await writeFile(join(clone.folder, "package-lock.json"), '{"changed":true}');
    await launch([]);
    const calls = await clone.npmCalls();
    assert.equal(calls.length, 2);
    for (const call of calls) assert.match(call, /^ci /);
  });

  test("keeps what npm says out of the command's output", async () => {
    const { stdout, stderr } = await launch([]);
    assert.equal(stdout, "\n");
    assert.match(stderr, /npm said this/);
  });

  test("installs once when several commands start together", async () => {
    const all = await Promise.all(["a", "b", "c", "d"].map((word) => launch([word])));
    assert.deepEqual(
      all.map(({ stdout }) => stdout),
      ["a\n", "b\n", "c\n", "d\n"],
    );
    assert.equal((await clone.npmCalls()).length, 1);
  });

  test("takes over the lock of a process that died", async () => {
    const lock = join(clone.folder, ".cache/install.lock");
    await mkdir(lock, { recursive: true });
    await writeFile(join(lock, "owner"), deadPid());
    assert.equal((await launch(["a"])).stdout, "a\n");
  });

  test("takes over a lock that nobody signed within a minute", async () => {
    const lock = join(clone.folder, ".cache/install.lock");
    await mkdir(lock, { recursive: true });
    const longAgo = new Date(Date.now() - 600_000);
    await utimes(lock, longAgo, longAgo);
    assert.equal((await launch(["a"])).stdout, "a\n");
  });

  test("leaves no lock behind and tries again after npm has failed", async () => {
    const { code, stderr } = await launch([], { env: { NPM_FAILS: "1" } });
    assert.equal(code, 2);
    assert.match(stderr, /npm cannot\n.*npm ci failed/);
    assert.equal((await launch(["a"])).stdout, "a\n");
  });

  test("says what is missing when there is no npm", async () => {
    await rm(join(clone.folder, "tools/npm"));
    const { code, stdout, stderr } = await launch([]);
    assert.equal(code, 2);
    assert.equal(stdout, "");
    assert.match(stderr, /npm is not on the PATH/);
  });

  test("works through a chain of symbolic links, relative ones too", async () => {
    await symlink(join(clone.folder, "bin/postern"), join(clone.folder, "first"));
    await mkdir(join(clone.folder, "links"));
    await symlink("../first", join(clone.folder, "links/second"));
    const { stdout } = await launch(["a"], { program: join(clone.folder, "links/second") });
    assert.equal(stdout, "a\n");
  });

  test("prefers the node of POSTERN_NODE, and refuses one that is none", async () => {
    const node = join(clone.folder, "own-node");
    await writeFile(node, '#!/bin/sh\necho "own $#"\n', { mode: 0o755 });
    assert.equal((await launch(["a"], { env: { POSTERN_NODE: node } })).stdout, "own 2\n");
    const { code, stderr } = await launch([], { env: { POSTERN_NODE: "/nowhere/node" } });
    assert.equal(code, 2);
    assert.match(stderr, /POSTERN_NODE=\/nowhere\/node is not a program/);
  });

  test("falls back to a recent node on the PATH, never to an old one", async () => {
    await launch([]);
    await rm(join(clone.folder, "node_modules/.bin/node"));
    const { code, stderr } = await launch([]);
    assert.equal(code, 2);
    assert.match(stderr, /needs Node\.js 26 or later/);
    const onPath = join(clone.folder, "tools/node");
    await writeFile(onPath, "#!/bin/sh\necho 20\n", { mode: 0o755 });
    assert.equal((await launch([])).code, 2);
    await rm(onPath);
    await symlink(process.execPath, onPath);
    assert.equal((await launch(["a"])).stdout, "a\n");
  });
});
