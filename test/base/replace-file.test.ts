import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { DRAFT_NAME, replaceFile } from "../../src/base/replace-file.ts";
import { afterwards } from "../support/afterwards.ts";

async function openFolder(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "postern-replace-"));
  afterwards(context, () => rm(folder, { recursive: true, force: true }));
  return folder;
}

test("the new file is whole, has its mode, and leaves no draft", async (context) => {
  const folder = await openFolder(context);
  const path = join(folder, "a.json");
  await writeFile(path, "old", { mode: 0o644 });
  await replaceFile(path, 0o600, ["new ", Buffer.from("text")]);
  assert.equal(await readFile(path, "utf8"), "new text");
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.deepEqual(await readdir(folder), ["a.json"]);
});

test("when it fails the old file stays as it was, and no draft", async (context) => {
  const folder = await openFolder(context);
  const path = join(folder, "a.json");
  await writeFile(path, "old");
  const broken = [Buffer.from("half"), 7 as unknown as string];
  await assert.rejects(replaceFile(path, 0o600, broken));
  assert.equal(await readFile(path, "utf8"), "old");
  assert.deepEqual(await readdir(folder), ["a.json"]);
  await assert.rejects(replaceFile(join(folder, "none", "a"), 0o600, [""]), { code: "ENOENT" });
});

test("many at once leave one of them, whole", async (context) => {
  const folder = await openFolder(context);
  const path = join(folder, "a");
  const texts = ["a", "b", "c", "d"].map((letter) => letter.repeat(100_000));
  await Promise.all(texts.map((text) => replaceFile(path, 0o600, [text])));
  assert.ok(texts.includes(await readFile(path, "utf8")));
  assert.deepEqual(await readdir(folder), ["a"]);
});

test("a draft can be told from the file it was for", () => {
  const draft = "c0ffee.json.0d8b1a2c-7e1f-4c55-9a3b-0123456789ab";
  assert.ok(DRAFT_NAME.test(draft));
  for (const name of ["c0ffee.json", "c0ffee.json.new", `${draft}.json`])
    assert.ok(!DRAFT_NAME.test(name), name);
});
