import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { MimeTree } from "../../src/mail/mime-part.ts";
import { createMimeWalker } from "../../src/mail/mime-walker.ts";
import { conformanceData } from "../support/conformance-data.ts";

const SETS = [
  "python-email",
  "ruby-mail",
  "kmime",
  "gmime",
  "jakarta-mail",
  "bogofilter-tests",
  "mailauth-fixtures",
] as const;

for (const set of SETS) {
  const { folder, skip } = conformanceData(set);
  test(`every file of ${set} gives one tree, however it is cut`, { skip }, async () => {
    for (const file of filesIn(folder)) {
      const octets = readFileSync(file);
      const whole = await walk(octets, octets.length);
      assert.equal(whole.parts[0]?.path, "1", file);
      assert.deepEqual(await walk(octets, 4099), whole, file);
      if (octets.length < 32 * 1024) assert.deepEqual(await walk(octets, 1), whole, file);
    }
  });
}

function filesIn(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

async function walk(octets: Buffer, step: number): Promise<MimeTree> {
  const walker = createMimeWalker({});
  for (let at = 0; at < octets.length; at += step) {
    await walker.write(octets.subarray(at, at + step));
  }
  return walker.end();
}
