import assert from "node:assert/strict";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { keyFileCheck } from "../../src/doctor/key-file-check.ts";
import { afterwards } from "../support/afterwards.ts";

test("a key that others can read has failed, one for its owner is well, none is nothing", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "postern-keys-"));
  afterwards(t, () => rm(folder, { recursive: true, force: true }));
  const path = join(folder, "address-keys");
  const look = () => keyFileCheck([path]).run();
  assert.deepEqual(await look(), []);
  await writeFile(path, "0 x\n", { mode: 0o600 });
  assert.deepEqual(
    (await look()).map(({ status }) => status),
    ["ok"],
  );
  for (const mode of [0o640, 0o604, 0o620]) {
    await chmod(path, mode);
    const [finding] = await look();
    assert.equal(finding?.status, "fail");
    assert.match(finding?.detail ?? "", new RegExp(`mode 0${mode.toString(8)}`));
  }
});
