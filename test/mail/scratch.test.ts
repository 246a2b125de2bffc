import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createScratchSpace, type Scratch } from "../../src/mail/scratch.ts";

const KIB = 1024;
const tempDir = mkdtempSync(join(tmpdir(), "scratch-"));
after(() => rmSync(tempDir, { recursive: true }));

async function filled(octets: Buffer, perItemBytes: number): Promise<Scratch> {
  const scratch = createScratchSpace({ tempDir, perItemBytes, totalBytes: 999 * KIB }).create();
  await scratch.append(octets);
  await scratch.seal();
  return scratch;
}

for (const [where, perItemBytes] of [
  ["memory", 500 * KIB],
  ["a file", 10 * KIB],
] as const)
  test(`octets in ${where} are read from any place, and fewer at the end`, async () => {
    const octets = randomBytes(200 * KIB);
    const scratch = await filled(octets, perItemBytes);
    for (const at of [0, 1, 16 * KIB - 3, 80 * KIB - 1, 150 * KIB, 200 * KIB - 5, 200 * KIB])
      for (const length of [0, 1, 10, 70 * KIB, 300 * KIB]) {
        const read = await scratch.readAt(at, length);
        assert.ok(read.equals(octets.subarray(at, at + length)), `${length} from ${at}`);
      }
    assert.equal((await scratch.readAt(999 * KIB, 10)).length, 0, "nothing behind the end");
    const inMemory = scratch.inMemory();
    assert.equal(inMemory !== null, where === "memory");
    if (inMemory) assert.ok(Buffer.concat(inMemory).equals(octets), "all octets at once");
    await scratch.free();
    assert.equal(scratch.inMemory(), null);
    await assert.rejects(scratch.readAt(0, 1), /freed/);
  });
