import assert from "node:assert/strict";
import { test } from "node:test";
import { readSealedDmarc } from "../../src/auth/arc/sealed-results.ts";
import { selectPurportedAuthor } from "../../src/auth/sender-id/purported-author.ts";
import { claimsAuthservId } from "../../src/gateway/claimed-authserv-id.ts";
import { parseHeaderBlock } from "../../src/mail/header-block.ts";
import { sealMessage } from "../support/arc-sealer.ts";
import { makeRsaKey } from "../support/dkim-signer.ts";
import { verifyArc } from "../support/verify-arc.ts";

/** The largest header that a session lets in. */
const HEADER_BYTES = 262_144;
/** Linear work takes a hundredth of this, quadratic work ten times as much. */
const LIMIT_MS = 2000;
/** A busy machine may stop one run, or two. */
const TRIES = 3;

async function isCheap(make: (size: number) => () => unknown): Promise<void> {
  const work = make(HEADER_BYTES);
  let took = 0;
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const started = performance.now();
    await work();
    took = performance.now() - started;
    if (took < LIMIT_MS) return;
  }
  assert.fail(`${took} ms`);
}

const RESULTS: Readonly<Record<string, (size: number) => string>> = {
  dots: (size) => `${".".repeat(size)}a`,
  "dots behind our name": (size) => `mx.example.org${".".repeat(size)}a`,
  comments: (size) => `${"(".repeat(size / 2)}${")".repeat(size / 2)}`,
  "open comments": (size) => "(".repeat(size),
  quotes: (size) => '"'.repeat(size),
  backslashes: (size) => `"${"\\\\".repeat(size / 2)}`,
  blanks: (size) => `${" ".repeat(size)}a`,
  folds: (size) => "\r\n ".repeat(size / 3),
  semicolons: (size) => ";".repeat(size),
  "encoded words": (size) => "=?utf-8?q?mx?= ".repeat(size / 15),
  "half encoded words": (size) => "=?a?q?".repeat(size / 6),
  letters: (size) => "a".repeat(size),
};

for (const [name, make] of Object.entries(RESULTS)) {
  test(`Authentication-Results of ${name} are read in linear time`, async () => {
    await isCheap((size) => {
      const value = make(size);
      return () => claimsAuthservId("authentication-results", value, "mx.example.org");
    });
  });
  test(`and so are ARC-Authentication-Results of ${name}`, async () => {
    await isCheap((size) => {
      const value = make(size).slice(0, size);
      return () => readSealedDmarc(value);
    });
  });
}

const KEY = makeRsaKey(1024);
const PLAIN = "From: a@evil.test\r\nSubject: x\r\n\r\nHello\r\n";

function chain(): string {
  let message = PLAIN;
  const options = { key: KEY, domain: "evil.test", signed: "from:subject" };
  for (let i = 0; i < 50; i++) message = sealMessage(message, options);
  return message;
}

const HEADERS: Readonly<Record<string, (size: number) => string>> = {
  "a chain of fifty behind other fields": (size) =>
    `${"X: 12345678\r\n".repeat((size - 65_536) / 13)}${chain()}`,
  "results as large as may be": (size) =>
    sealMessage(PLAIN, {
      key: KEY,
      domain: "evil.test",
      signed: "from:subject",
      results: "x=y;\r\n ".repeat((size - 2000) / 7),
    }),
  "seals without a value": (size) => `${"ARC-Seal:\r\n".repeat(size / 11)}${PLAIN}`,
  "many tags in a seal": (size) => `ARC-Seal: i=1;${"a=b;".repeat(size / 4)}\r\n${PLAIN}`,
};

for (const [name, make] of Object.entries(HEADERS))
  test(`ARC with ${name} is verified in linear time`, async () => {
    const zone = { "TXT s1._domainkey.evil.test": [KEY.record] };
    await isCheap((size) => {
      const message = make(size);
      return () => verifyArc(message, { zone });
    });
  });

for (const [name, field] of [
  ["Resent-From and Received", "Resent-From:\r\nReceived: x\r\n"],
  ["Sender", "Sender: a@b.test\r\n"],
  ["From without a value", "From: \r\n"],
] as const)
  test(`a responsible address is found in linear time among fields of ${name}`, async () => {
    await isCheap((size) => {
      const bytes = Buffer.from(`${field.repeat(size / field.length)}\r\n`);
      const headers = parseHeaderBlock(bytes);
      return () => selectPurportedAuthor(headers);
    });
  });
