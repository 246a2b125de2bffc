import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { MimePart } from "../../src/mail/mime-part.ts";
import { createMimeWalker } from "../../src/mail/mime-walker.ts";
import { conformanceData } from "../support/conformance-data.ts";

/**
 * What Python's `email` package makes of the published mail of python-email and ruby-mail, a line a
 * part: path, the first 16 digits of the SHA-256 of its decoded octets (`-`: a container), file name.
 */
const trees: Record<string, readonly string[]> = JSON.parse(
  readFileSync(join(import.meta.dirname, "mime-trees.json"), "utf8"),
);

/** Where Python reads differently, and why we keep our reading. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  "python-email/msg_15.txt": "a boundary used twice: we end the innermost multipart, and note it",
  "python-email/msg_39.txt": "a boundary used twice: we end the innermost multipart, and note it",
  "python-email/msg_19.txt": "a header line without a colon: Python starts the body there",
  "python-email/msg_35.txt": "a header line without a colon: Python starts the body there",
  "python-email/msg_38.txt": "a header line without a colon: Python starts the body there",
  "python-email/msg_37.txt": "boundary lines in a row: each starts a part for us",
  "ruby-mail/emails/rfc2822/example13.eml":
    "a header line without a colon: Python starts the body there",
  "ruby-mail/emails/plain_emails/raw_email_incorrect_header.eml":
    "a header line without a colon: Python starts the body there",
  "ruby-mail/emails/mime_emails/raw_email4.eml":
    "a multipart that is never closed: Python takes the last line break from its last part",
  "ruby-mail/emails/attachment_emails/attachment_nonascii_filename.eml":
    "a raw octet in a name: Python shows it as unknown",
};

const SETS = ["python-email", "ruby-mail"] as const;

for (const set of SETS) {
  const { folder, skip } = conformanceData(set);
  for (const [file, expected] of Object.entries(trees)) {
    if (!file.startsWith(`${set}/`)) continue;
    const exception = EXCEPTIONS[file];
    const title = exception ? `${file} is read otherwise: ${exception}` : `${file} has these parts`;
    test(title, { skip }, async () => {
      const parts = await partsOf(readFileSync(join(folder, "..", file)));
      const differs = disagreement(parts, expected);
      if (exception) assert.notEqual(differs, null, "the exception is stale");
      else assert.equal(differs, null);
    });
  }
}

async function partsOf(message: Buffer): Promise<readonly MimePart[]> {
  const walker = createMimeWalker({});
  await walker.write(message);
  return (await walker.end()).parts;
}

/** The first line that does not hold, or null. */
function disagreement(parts: readonly MimePart[], expected: readonly string[]): string | null {
  if (parts.length !== expected.length) return `${parts.length} parts`;
  for (const [i, line] of expected.entries()) {
    const [path, hash = "-", ...words] = line.split(" ");
    const part = parts[i];
    const name = words.join(" ");
    if (part?.path !== path) return `${line}: path ${part?.path}`;
    if (hash !== "-" && !part?.sha256?.startsWith(hash)) return `${line}: hash ${part?.sha256}`;
    if (name !== "" && !part?.fileNames.includes(name)) return `${line}: ${part?.fileNames}`;
  }
  return null;
}
