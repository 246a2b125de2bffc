import assert from "node:assert/strict";
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createKeyFile } from "../../src/base/key-file.ts";
import { createSilentLog } from "../../src/base/log.ts";
import { afterwards } from "../support/afterwards.ts";
import { createFakeClock } from "../support/fake-clock.ts";

async function place(context: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), "postern-keys-"));
  afterwards(context, () => rm(folder, { recursive: true, force: true }));
  const clock = createFakeClock();
  const path = join(folder, "address-keys");
  const open = (makes = true) => createKeyFile({ path, clock, log: createSilentLog(), makes });
  return { folder, path, clock, open };
}

const line = (number: number, fill: string) =>
  `${number} ${Buffer.alloc(32, fill).toString("base64url")}\n`;

test("the file is made at first use, for its owner alone, and is the same afterwards", async (t) => {
  const { path, open } = await place(t);
  const { current, all } = await open().read();
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.equal(current.secret.length, 32);
  assert.deepEqual(all, [current]);
  assert.deepEqual(await open().read(), { current, all });
});

test("of many that come first one file wins, and all have its key", async (t) => {
  const { folder, open } = await place(t);
  const rings = await Promise.all(Array.from({ length: 20 }, () => open().read()));
  const secrets = new Set(rings.map(({ current }) => current.secret.toString("hex")));
  assert.equal(secrets.size, 1);
  assert.deepEqual(await readdir(folder), ["address-keys"]);
});

test("a key that is put on top signs within a second, and the others verify", async (t) => {
  const { path, clock, open } = await place(t);
  await writeFile(path, line(0, "a"));
  const file = open();
  assert.equal((await file.read()).current.number, 0);
  await writeFile(path, `# a comment\n${line(7, "b")}\n${line(0, "a")}`);
  assert.equal((await file.read()).current.number, 0, "it is not looked at again at once");
  await clock.advance(1001);
  const { current, all } = await file.read();
  assert.equal(current.number, 7);
  assert.deepEqual(
    all.map(({ number }) => number),
    [7, 0],
  );
});

for (const [what, text] of [
  ["empty", ""],
  ["with a short secret", "0 abcd\n"],
  ["with a digit twice", line(1, "a") + line(1, "b")],
  ["with two digits", `1${line(1, "a")}`],
] as const)
  test(`a file ${what} is refused, the keys known before stay, and no key is told`, async (t) => {
    const { path, clock, open } = await place(t);
    await writeFile(path, text);
    await assert.rejects(open().read(), (error: Error) => {
      assert.match(error.message, /address-keys: expected/);
      return text === "" || !error.message.includes(text.split(" ")[1]!.trim());
    });
    await writeFile(path, line(2, "c"));
    const file = open();
    await file.read();
    await writeFile(path, text);
    await clock.advance(1001);
    assert.equal((await file.read()).current.number, 2);
    assert.equal(await readFile(path, "utf8"), text, "it is left as it is");
  });

test("whoever must change nothing makes no file", async (t) => {
  const { folder, open } = await place(t);
  assert.equal((await open(false).read()).all.length, 1);
  assert.deepEqual(await readdir(folder), []);
});

test("a key that others can read is used, and the log says so at each change", async (t) => {
  const { path, clock } = await place(t);
  const warned: unknown[] = [];
  const log = {
    ...createSilentLog(),
    warn: (...said: readonly unknown[]) => void warned.push(said),
  };
  const file = createKeyFile({ path, clock, log, makes: true });
  await writeFile(path, line(0, "a"), { mode: 0o600 });
  await file.read();
  assert.deepEqual(warned, []);
  await chmod(path, 0o640);
  await clock.advance(1001);
  assert.equal((await file.read()).current.number, 0);
  assert.deepEqual(warned, [["keys-open-to-others", { path, expected: "0600" }]]);
});
