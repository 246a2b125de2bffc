import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createScratchSpace } from "../../../src/mail/scratch.ts";
import { createPartReaders } from "../../../src/stages/attachments/part-readers.ts";
import { readAttachments } from "../../../src/stages/attachments/read-attachments.ts";
import { afterwards } from "../../support/afterwards.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { judgeUnder, readMail } from "./attachments-bench.ts";

const CRLF = "\r\n";

function mixed(...parts: readonly (readonly string[])[]): Buffer {
  const lines = [
    "From: <sender@example.net>",
    'Content-Type: multipart/mixed; boundary="b1"',
    "",
    ...parts.flatMap((part) => ["--b1", ...part]),
    "--b1--",
    "",
  ];
  return Buffer.from(lines.join(CRLF), "latin1");
}

function attached(name: string, octets: Buffer): readonly string[] {
  const lines = octets.toString("base64").match(/.{1,76}/g) ?? [];
  const type = `Content-Type: application/octet-stream; name="${name}"`;
  return [type, "Content-Transfer-Encoding: base64", "", ...lines];
}

test("the evidence is the same, however the octets arrive", async () => {
  const mail = mixed(attached("a.bin", Buffer.from("hello")), attached("b.bin", Buffer.alloc(500)));
  const whole = await readMail(mail, mail.length);
  assert.deepEqual(await readMail(mail, 1), whole);
  assert.deepEqual(
    whole.parts.map(({ path, fileNames, decodedBytes }) => [path, fileNames, decodedBytes]),
    [
      ["1", [], 0],
      ["1.1", ["a.bin"], 5],
      ["1.2", ["b.bin"], 500],
    ],
  );
});

test("a thousand parts with long names do not fill the store, and are held", async () => {
  const name = (i: number) => `${String(i).padStart(4, "0")}${"n".repeat(390)}`;
  const header = (i: number) => [
    `Content-Type: image/png; name="a${name(i)}"; filename="b${name(i)}"`,
    `Content-Disposition: attachment; name="c${name(i)}"; filename="d${name(i)}"`,
    "",
    "x",
  ];
  const evidence = await readMail(
    mixed(...Array.from({ length: 900 }, (_, i) => header(i))),
    65_536,
  );
  assert.ok(JSON.stringify(evidence).length < 600 * 1024);
  assert.ok(evidence.omitted > 0);
  assert.equal(judgeUnder({}, evidence).kind, "quarantine");
});

test("a reader that is given up gives memory and files back", async (t) => {
  const tempDir = await mkdtemp(join(tmpdir(), "attachments-"));
  afterwards(t, () => rm(tempDir, { recursive: true, force: true }));
  const scratch = createScratchSpace({ tempDir, perItemBytes: 1024, totalBytes: 4096 });
  const tap = readAttachments(createPartReaders({ scratch, clock: createFakeClock() }));
  // A zip's first signature: it is kept until its end.
  const zip = Buffer.concat([Buffer.from("PK\x03\x04", "latin1"), Buffer.alloc(200_000)]);
  const mail = mixed(attached("a.zip", zip));
  const writing = tap.write(mail.subarray(0, 150_000));
  tap.abort();
  await writing;
  tap.abort();
  assert.equal(scratch.memoryBytes(), 0);
  assert.deepEqual(await readdir(tempDir), []);
});

test("all archives of a message have the time of one", async () => {
  const clock = createFakeClock();
  const given: number[] = [];
  const tap = readAttachments({
    clock,
    sniffer: () => ({ write() {}, end: async () => [] }),
    lister(milliseconds) {
      given.push(milliseconds);
      return {
        write: async () => clock.advance(6000),
        end: async () => null,
        abort: async () => {},
      };
    },
  });
  const part = attached("a.gz", Buffer.from("hello"));
  await tap.write(mixed(part, part, part));
  await tap.end();
  assert.deepEqual(given, [10_000, 4000, 0]);
});
