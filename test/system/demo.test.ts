import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { noClamd } from "../support/private-clamd.ts";

const run = promisify(execFile);
const POSTERN = join(import.meta.dirname, "../../bin/postern");
const LIMIT_MS = 60_000;

interface Shown {
  readonly title: string;
  readonly fate: string;
  readonly reply: string;
  readonly marks: string;
}

test("the demo shows each sample with its fate and leaves nothing behind", async () => {
  const before = await demoFolders();
  const { stdout } = await run(POSTERN, ["demo", "--once", "--json"], { timeout: LIMIT_MS });
  const samples = new Map(
    stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Shown)
      .map((sample) => [sample.title, sample]),
  );
  const fateOf = (title: string) => samples.get(title)?.fate;
  assert.equal(fateOf("Clean mail"), "delivered");
  assert.equal(fateOf("Forged sender"), "delivered, marked");
  assert.match(samples.get("Forged sender")?.marks ?? "", /spf=fail smtp\.mailfrom=bank\.test/);
  const refusals = new Map([
    ["Forbidden attachment", /^550 5\.7\.1 Attachment not accepted: pictures\.jpg\.exe/],
    ["Forged, p=reject", /^550 5\.7\.1 Refused by the DMARC policy/],
    ["Listed client", /^550 5\.7\.1 .*127\.0\.0\.66.*https:\/\//],
    ["Unknown recipient", /^550 5\.1\.1 /],
    ["Relay attempt", /^550 5\.7\.1 Relaying denied/],
    ...(noClamd() ? [] : [["EICAR test virus", /^550 5\.7\.1 .*malware \(.*Eicar/i] as const]),
  ]);
  for (const [title, reply] of refusals) {
    assert.equal(fateOf(title), "refused", title);
    assert.match(samples.get(title)?.reply ?? "", reply);
    assert.match(samples.get(title)?.reply ?? "", /\(ref [0-9A-Z]{18}\)$/);
  }
  assert.deepEqual(await demoFolders(), before);
});

test("the demo tells people what became of each sample and why", async () => {
  const { stdout } = await run(POSTERN, ["demo", "--once"], { timeout: LIMIT_MS });
  assert.match(stdout, /^Antivirus/);
  assert.match(stdout, /^Sample +Client +Became of it +Why$/m);
  assert.match(stdout, /^Clean mail +127\.0\.0\.10 +delivered /m);
  assert.match(stdout, /^All \d samples ended as they should\.$/m);
});

async function demoFolders(): Promise<readonly string[]> {
  return (await readdir(tmpdir())).filter((name) => name.startsWith("postern-demo-"));
}
