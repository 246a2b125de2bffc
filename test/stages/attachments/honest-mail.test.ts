import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { afterwards } from "../../support/afterwards.ts";
import { conformanceData } from "../../support/conformance-data.ts";
import { judgeUnder, readMail } from "./attachments-bench.ts";

/** Of a thousand honest mails so many may be held or refused under the shipped policy. */
const PER_THOUSAND_MAX = 5;

const corpus = conformanceData("spam-corpus");
const python = conformanceData("python-email");
const ruby = conformanceData("ruby-mail");
const run = promisify(execFile);

/** As a client sends it: CRLF, and without the line that mail folders put in front. */
function asOnTheWire(file: Buffer): Buffer {
  const text = file.toString("latin1").replace(/^From [^\n]*\n/, "");
  return Buffer.from(text.replace(/\r?\n/g, "\r\n"), "latin1");
}

async function* mailIn(folder: string, isMail: RegExp): AsyncGenerator<[string, Buffer]> {
  const names = (await readdir(folder, { recursive: true })).filter((name) => isMail.test(name));
  for (const name of names.sort()) yield [name, asOnTheWire(await readFile(join(folder, name)))];
}

async function actionsIn(folder: string, isMail: RegExp) {
  const stopped: (readonly [name: string, action: string])[] = [];
  let count = 0;
  for await (const [name, mail] of mailIn(folder, isMail)) {
    count++;
    const { kind } = judgeUnder({}, await readMail(mail, 65_536));
    if (kind !== "neutral") stopped.push([name, kind]);
  }
  return { count, stopped };
}

test("honest mail is neither held nor refused", { skip: corpus.skip }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "ham-"));
  afterwards(t, () => rm(folder, { recursive: true, force: true }));
  await run("tar", ["-xJf", join(corpus.folder, "dev.tar.xz"), "-C", folder]);
  const { count, stopped } = await actionsIn(folder, /ham-\d\/.*\.eml$/);
  assert.ok(count >= 800, `only ${count} mails were found`);
  t.diagnostic(`${stopped.length} of ${count} honest mails are stopped`);
  assert.ok(
    stopped.length * 1000 <= count * PER_THOUSAND_MAX,
    `${stopped.length} of ${count}: ${JSON.stringify(stopped.slice(0, 10))}`,
  );
});

test("of the test mail of two MIME libraries only what readers take apart is stopped", {
  skip: python.skip || ruby.skip,
}, async () => {
  const fromPython = await actionsIn(python.folder, /^msg_.*\.txt$/);
  const fromRuby = await actionsIn(join(ruby.folder, "emails"), /\.eml$/);
  assert.ok(fromPython.count + fromRuby.count >= 145);
  assert.deepEqual(
    [...fromPython.stopped, ...fromRuby.stopped],
    [
      // Multiparts without the boundary that they name, or without any: some readers guess one.
      ["msg_17.txt", "quarantine"],
      ["msg_25.txt", "quarantine"],
      // Fields of a part stand where no part is, since the boundary is missing.
      ["msg_31.txt", "quarantine"],
      // message/external-body (RFC 2046 5.2.3).
      ["msg_36.txt", "reject"],
      ["msg_41.txt", "quarantine"],
      // multipart/alternative and text/plain at once.
      ["error_emails/multiple_content_types.eml", "quarantine"],
      // Its last line has one dash too few: a reader by RFC 2046 5.1.1 sees one part more.
      ["mime_emails/raw_email4.eml", "quarantine"],
    ],
  );
});
