import assert from "node:assert/strict";
import { test } from "node:test";
import { createDkimReading } from "../../src/auth/dkim/check-dkim.ts";
import { createKeyLookup } from "../../src/auth/dkim/key-lookup.ts";
import { mentionedInFrom, readAuthor } from "../../src/mail/author.ts";
import { parseHeaderBlock } from "../../src/mail/header-block.ts";
import { createLookupScope } from "../../src/net/resolver.ts";
import { costOf } from "../support/cpu-time.ts";
import { makeRsaKey, signMessage } from "../support/dkim-signer.ts";
import { toZoneResolver } from "../support/zone-resolver.ts";

/** The largest header that a session lets in. */
const HEADER_BYTES = 262_144;
const LIMIT_MS = 2000;

/** Growth of what is linear, with room for a busy machine: quadratic work would grow 16 times. */
const STEP = 4;
const MOST_GROWTH = 10;

/** Of several runs the least disturbed. */
async function fastestMs(work: () => unknown): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < 5; run++) {
    const { ms } = await costOf(work);
    best = Math.min(best, ms);
  }
  return best;
}

const FROMS: Readonly<Record<string, (size: number) => string>> = {
  comments: (size) => `${"(".repeat(size / 2)}${")".repeat(size / 2)} a@b.test`,
  "open comments": (size) => "(".repeat(size),
  words: (size) => "a ".repeat(size / 2),
  "quoted strings": (size) => '"a" '.repeat(size / 4),
  backslashes: (size) => `"${"\\\\".repeat(size / 2)}`,
  folds: (size) => "\r\n ".repeat(size / 3),
  blanks: (size) => " ".repeat(size),
  addresses: (size) => "a@b.test,".repeat(size / 9),
  "at signs": (size) => "@".repeat(size),
  "at signs between letters": (size) => `${"a".repeat(64)}@`.repeat(size / 65),
  "encoded words": (size) => `${"=?utf-8?q?a?= ".repeat(size / 14)}<a@b.test>`,
  "half encoded words": (size) => "=?a?q?".repeat(size / 6),
  dots: (size) => `a@${"a.".repeat(size / 2)}test`,
};

for (const [name, make] of Object.entries(FROMS))
  test(`a From of ${name} is read in linear time`, async () => {
    const read = (size: number) => {
      const headers = parseHeaderBlock(Buffer.from(`From: ${make(size)}\r\n\r\n`));
      return fastestMs(() => [readAuthor(headers), mentionedInFrom(headers)]);
    };
    const small = await read(HEADER_BYTES / STEP);
    const large = await read(HEADER_BYTES);
    assert.ok(large < LIMIT_MS, `${large} ms`);
    assert.ok(large < small * MOST_GROWTH, `${small} ms, then ${large} ms`);
  });

const KEY = makeRsaKey(1024);
const PLAIN = "From: a@example.org\r\nSubject: x\r\n\r\nHello\r\n";

async function verify(message: string): Promise<void> {
  const reading = createDkimReading();
  const bytes = Buffer.from(message, "latin1");
  for (let at = 0; at < bytes.length; at += 65_536) reading.write(bytes.subarray(at, at + 65_536));
  const zone = toZoneResolver({ "TXT s1._domainkey.example.org": [KEY.record] });
  const keys = createKeyLookup(zone, createLookupScope(new AbortController().signal));
  await reading.end({ receivedAt: 0, mustSign: ["from"], keys });
}

const sign = (signed: string, message = PLAIN) =>
  signMessage(message, { key: KEY, domain: "example.org", signed });

const MESSAGES: Readonly<Record<string, (size: number) => string>> = {
  "many names in h=": (size) => sign(`from${":from".repeat(size / 5)}`),
  "many fields of one name": (size) =>
    sign(`from${":x".repeat(size / 8)}`, `${"X: 1\r\n".repeat(size / 8)}${PLAIN}`),
  "many tags": (size) =>
    PLAIN.replace("From", `DKIM-Signature: ${"a=b;".repeat(size / 4)}\r\nFrom`),
  "many blanks in tags": (size) =>
    PLAIN.replace("From", `DKIM-Signature: v=${" \t".repeat(size / 2)}1\r\nFrom`),
  "a body of line ends": (size) => `${sign("from")}${"\r\n".repeat(size * 8)}x`,
  "a body of blanks": (size) => `${sign("from")}${" \t".repeat(size * 8)}x`,
  "a body of bare CR": (size) => `${sign("from")}${"\r".repeat(size * 8)}x`,
};

for (const [name, make] of Object.entries(MESSAGES))
  test(`signatures with ${name} are verified in linear time`, async () => {
    const messages = [make(HEADER_BYTES / STEP), make(HEADER_BYTES)] as const;
    const small = await fastestMs(() => verify(messages[0]));
    const large = await fastestMs(() => verify(messages[1]));
    assert.ok(large < LIMIT_MS, `${large} ms`);
    assert.ok(large < Math.max(small, 2) * MOST_GROWTH, `${small} ms, then ${large} ms`);
  });
