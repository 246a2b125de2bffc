import assert from "node:assert/strict";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { matchesPassword } from "../../src/base/password-hash.ts";
import { runCli } from "../../src/cli/cli.ts";
import type { SecretInput } from "../../src/cli/read-password.ts";
import { parseUserTable } from "../../src/smtp/user-table.ts";
import { afterwards } from "../support/afterwards.ts";

interface Terminal extends SecretInput {
  readonly modes: boolean[];
}

function inputOf(chunks: readonly (string | Buffer)[], isTTY = false): Terminal {
  const modes: boolean[] = [];
  return {
    isTTY,
    modes,
    ...(isTTY && { setRawMode: (on: boolean) => modes.push(on) }),
    async *[Symbol.asyncIterator]() {
      for (const chunk of chunks) yield Buffer.from(chunk);
    },
  };
}

async function run(words: readonly string[], stdin: SecretInput = inputOf([]), cwd = "/") {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runCli(words, {
    out: (line) => void out.push(line),
    err: (line) => void err.push(line),
    env: {},
    cwd,
    stdin,
  });
  return { code, out, err };
}

async function isUser(line: string, name: string, password: string): Promise<boolean> {
  const result = parseUserTable(line);
  assert.ok(result.kind === "users");
  const user = result.users.find(name);
  return user !== null && matchesPassword(password, user.hash);
}

test("the line for a file of users is made of what comes on standard input", async () => {
  const { code, out, err } = await run(["user", "hash", "alice"], inputOf(["sec", "ret\nmore\n"]));
  assert.equal(code, 0);
  assert.equal(out.length, 1);
  assert.deepEqual(err, []);
  assert.ok(await isUser(out[0] ?? "", "alice", "secret"));
});

test("letters of several octets may be cut between two of them", async () => {
  const octets = Buffer.from("pä✓\r\n");
  const chunks = [octets.subarray(0, 2), octets.subarray(2, 4), octets.subarray(4)];
  const { out } = await run(["--json", "user", "hash", "alice"], inputOf(chunks));
  assert.ok(await isUser(JSON.parse(out[0] ?? "").line, "alice", "pä✓"));
});

test("a terminal shows nothing of it, and is as before afterwards", async () => {
  const typed = inputOf(["sex", "\x7fcret", "\r"], true);
  const { out, err } = await run(["user", "hash", "alice"], typed);
  assert.deepEqual(typed.modes, [true, false]);
  assert.deepEqual(err, ["Password (not shown):"]);
  assert.ok(await isUser(out[0] ?? "", "alice", "secret"));
  const interrupted = inputOf(["sec\x03"], true);
  assert.equal((await run(["user", "hash", "alice"], interrupted)).code, 2);
  assert.deepEqual(interrupted.modes, [true, false]);
});

test("a name that no file can hold, and no password, are mistakes", async () => {
  for (const name of ["a b", "a:b", "ü", ""])
    assert.equal((await run(["user", "hash", name], inputOf(["x\n"]))).code, 2, name);
  assert.equal((await run(["user", "hash", "alice"], inputOf(["\n"]))).code, 2);
  assert.equal((await run(["user", "hash", "alice"], inputOf(["x".repeat(5000)]))).code, 2);
});

async function folderWith(context: TestContext, text: string, mode: number): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "postern-users-"));
  afterwards(context, () => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, "users.txt"), text);
  await chmod(join(folder, "users.txt"), mode);
  return folder;
}

test("a file of users is checked with every mistake and its place", async (context) => {
  const { out: lines } = await run(["user", "hash", "alice"], inputOf(["secret\n"]));
  const good = await folderWith(context, `${lines[0]}\n`, 0o600);
  const answer = await run(["user", "check", "users.txt"], undefined, good);
  assert.deepEqual([answer.code, answer.out], [0, ["1 users, ok"]]);
  const bad = await folderWith(context, "alice:secret\n", 0o600);
  const told = await run(["user", "check", "users.txt"], undefined, bad);
  assert.equal(told.code, 2);
  assert.match(told.err[0] ?? "", /users\.txt:1:7 {2}expected for alice a line of/);
  const open = await folderWith(context, `${lines[0]}\n`, 0o644);
  const json = await run(["--json", "user", "check", "users.txt"], undefined, open);
  assert.equal(json.code, 2);
  assert.match(JSON.parse(json.out[0] ?? "").problems[0].message, /mode 0644/);
});
