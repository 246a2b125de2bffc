import assert from "node:assert/strict";
import { createHash, createPublicKey } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { createDkimReading, type DkimCheck } from "../../src/auth/dkim/check-dkim.ts";
import { createKeyLookup } from "../../src/auth/dkim/key-lookup.ts";
import type { SigningKey } from "../../src/auth/dkim/signing-key.ts";
import { Unavailable } from "../../src/base/errors.ts";
import { createSilentLog } from "../../src/base/log.ts";
import { createMetrics } from "../../src/base/metrics.ts";
import { parseHeaderBlock } from "../../src/mail/header-block.ts";
import type { MessageSource } from "../../src/mail/message.ts";
import { createLookupScope } from "../../src/net/resolver.ts";
import type { SigningPolicy } from "../../src/policy/snapshot.ts";
import { createMailSigner } from "../../src/relay/mail-signer.ts";
import { readAll, toBytesSource } from "../support/bytes-source.ts";
import { canonicalBody } from "../support/dkim-signer.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { toKeyZone, toSigningKey, toSigningPolicy } from "../support/signing-keys.ts";
import { toZoneResolver } from "../support/zone-resolver.ts";

const NOW = Date.parse("2026-11-25T12:00:00Z");
const RSA = toSigningKey("example.org", "r1");
const ED = toSigningKey("example.org", "e1", "ed25519");
const KEYS = [RSA, ED];
const POLICY = toSigningPolicy(KEYS);
/** As `*.example.org` has them. */
const ofAll: SigningPolicy["keysFor"] = (domain) =>
  domain === "xn--bcher-kva.example.org" ? NAMED : POLICY.keysFor(domain);
const NAMED = KEYS.map((key) => ({ ...key, file: "key.pem" }));
const HEAD = "From: Alice <alice@example.org>\r\nTo: b@friend.test\r\nSubject: x\r\n";

const clock = createFakeClock(NOW);
const metrics = createMetrics();
const signer = createMailSigner({ clock, log: createSilentLog(), metrics });

async function sign(message: string, policy: SigningPolicy = POLICY, chunkBytes = 65_536) {
  const source = toBytesSource(Buffer.from(message, "latin1"), chunkBytes);
  const signed = await signer.sign(policy, source, null);
  const bytes = await readAll(signed.source);
  assert.equal(bytes.length, signed.source.size);
  return { ...signed, text: bytes.toString("latin1") };
}

async function verify(message: string, keys: readonly SigningKey[] = KEYS): Promise<DkimCheck> {
  const reading = createDkimReading();
  reading.write(Buffer.from(message, "latin1"));
  const scope = createLookupScope(new AbortController().signal);
  const lookup = createKeyLookup(toZoneResolver(toKeyZone(keys)), scope);
  return reading.end({ keys: lookup, mustSign: ["from", "subject"], receivedAt: NOW });
}

const resultsOf = ({ signatures }: DkimCheck) => signatures.map(({ result }) => result);

const MESSAGES: Readonly<Record<string, string>> = {
  "a plain one": `${HEAD}\r\nHello\r\n`,
  "no body": `${HEAD}\r\n`,
  "a header alone": HEAD,
  "no line end at the end": `${HEAD}\r\nHello`,
  "empty lines and blanks at the end": `${HEAD}\r\nHello \t \r\n\r\n \r\n\r\n`,
  "octets above 127": `${HEAD}X: \xfc\r\n\r\nGr\xfc\xdfe \x80\xff\r\n`,
  "lines of 998": `${HEAD}\r\n${"y".repeat(998)}\r\n${" z".repeat(499)}\r\n`,
  "a folded From":
    "From:\r\n Alice\r\n\t<alice@example.org>\r\nSubject:\r\n  a\r\n\tb \r\n\r\nHi\r\n",
  "fields twice": `${HEAD}To: c@friend.test\r\nReceived: a\r\nReceived: b\r\nSubject: y\r\n\r\nHi\r\n`,
  "no fields but From": "From: alice@example.org\r\n\r\nHi\r\n",
  "names in other case, blanks before a colon": `from: alice@example.org\r\nSUBJECT : x\r\n\r\nHi\r\n`,
  "a subdomain in letters of its own": `From: a@b\xc3\xbccher.example.org\r\nSubject: x\r\n\r\nHi\r\n`,
  "dots and lone CR": `${HEAD}\r\n.\r\n..\r\na\rb\r\n`,
};

test("each of the keys makes a signature that holds, whatever the message is like", async () => {
  for (const [title, message] of Object.entries(MESSAGES)) {
    const { text, record } = await sign(message, { ...POLICY, keysFor: ofAll });
    assert.equal(record.kind, "signed", title);
    assert.ok(text.endsWith(message), title);
    const check = await verify(text);
    assert.deepEqual(resultsOf(check), ["pass", "pass"], `${title}: ${JSON.stringify(check)}`);
    assert.ok(check.signatures.every(({ oversignsFrom }) => oversignsFrom));
  }
});

test("a signature does not depend on how the message comes in chunks", async () => {
  const message = MESSAGES["empty lines and blanks at the end"] ?? "";
  const only = toSigningPolicy([ED]);
  const whole = (await sign(message, only)).text;
  for (const chunkBytes of [1, 7])
    assert.equal((await sign(message, only, chunkBytes)).text, whole);
});

test("whatever a body and a header hold, the signature is over their canonical form", async () => {
  const piece = fc.constantFrom(
    "a",
    "B",
    " ",
    "\t",
    "\r\n",
    "\r\n\r\n",
    ".",
    "\xfc",
    "=?q?",
    ":",
    "\r",
  );
  const body = fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join(""));
  const value = fc
    .array(fc.constantFrom("a", " ", "\t", "\r\n ", "\xe9", "<", ";", "b="), { maxLength: 12 })
    .map((pieces) => `x${pieces.join("")}x`);
  const only = toSigningPolicy([ED]);
  await fc.assert(
    fc.asyncProperty(
      body,
      value,
      value,
      fc.integer({ min: 1, max: 9 }),
      async (text, a, b, size) => {
        const message = `Subject: ${a}\r\n${HEAD.split("\r\n")[0]}\r\nTo:${b}\r\n\r\n${text}`;
        const signed = (await sign(message, only, size)).text;
        assert.deepEqual(resultsOf(await verify(signed)), ["pass"]);
        // A canonical form that was written another way, by regular expressions.
        const hash = createHash("sha256").update(canonicalBody(text, "relaxed"), "latin1");
        assert.ok(signed.replace(/\r\n\t/g, "").includes(`bh=${hash.digest("base64")};`));
      },
    ),
    { numRuns: 200 },
  );
});

test("what somebody adds or changes afterwards breaks every signature", async () => {
  const { text } = await sign(`${HEAD}\r\nHello\r\n`);
  const changed = {
    "a second Subject on top": `Subject: pills\r\n${text}`,
    "a second From on top": `From: bob@example.org\r\n${text}`,
    "a Cc that was not there": text.replace("To: b@", "Cc: c@friend.test\r\nTo: b@"),
    "a Reply-To that was not there": `Reply-To: e@evil.test\r\n${text}`,
    "another type": `Content-Type: text/html\r\n${text}`,
    "another subject": text.replace("Subject: x", "Subject: y"),
    "another author": text.replace("Alice <alice@", "Alice <ceo@"),
    "more body": `${text}Buy\r\n`,
  };
  for (const [title, message] of Object.entries(changed))
    assert.deepEqual(resultsOf(await verify(message)), ["fail", "fail"], title);
});

test("what servers and mailing lists add breaks none", async () => {
  const { text } = await sign(`${HEAD}Received: by inside\r\n\r\nHello\r\n`);
  const more =
    "Return-Path: <>\r\nReceived: by mx.friend.test\r\nList-Id: <l.friend.test>\r\nX-Spam-Flag: NO\r\nAuthentication-Results: mx.friend.test; none\r\n";
  const folded = text.replace("Subject: x", "Subject:  \r\n\tx").replace("Hello", "Hello \t");
  for (const message of [more + text, folded])
    assert.deepEqual(resultsOf(await verify(message)), ["pass", "pass"]);
});

test("a signature covers no trace field, has no l= and no i=, and its lines are short", async () => {
  const { text } = await sign(
    `Received: by inside\r\n${HEAD}List-Id: <l.example.org>\r\n\r\nHi\r\n`,
  );
  const fields = parseHeaderBlock(Buffer.from(text, "latin1")).all("dkim-signature");
  assert.equal(fields.length, 2);
  for (const { rawValue } of fields) {
    const value = rawValue.replace(/\s/g, "");
    assert.match(
      value,
      /^v=1;a=(rsa|ed25519)-sha256;c=relaxed\/relaxed;d=example\.org;s=[re]1;t=1795608000;h=[^;]+;bh=[^;]{44};b=[A-Za-z0-9+/]+=*$/,
    );
    const names = /h=([^;]+)/.exec(value)?.[1]?.split(":") ?? [];
    assert.deepEqual(names.slice(0, 4), ["from", "from", "to", "to"]);
    assert.ok(names.includes("list-id") && names.includes("reply-to"));
    assert.ok(!names.includes("received") && !names.includes("return-path"));
    assert.ok(rawValue.split("\r\n").every((line) => line.length <= 78));
  }
});

test("a signature ends when the policy says so", async () => {
  const { text } = await sign(`${HEAD}\r\nHi\r\n`, { ...POLICY, expiresMs: 14 * 86_400_000 });
  const { signatures } = await verify(text);
  assert.deepEqual(
    signatures.map(({ expiresAt, signedAt }) => (expiresAt ?? 0) - (signedAt ?? 0)),
    [1_209_600, 1_209_600],
  );
});

test("what is nobody's of ours, or can be read in two ways, is not signed, and says why", async () => {
  const cases: Readonly<Record<string, RegExp>> = {
    "From: eve@evil.test\r\n\r\nHi\r\n": /no key for the author's domain evil\.test/,
    "From: a@sub.example.org\r\n\r\nHi\r\n": /no key for the author's domain sub\.example\.org/,
    "Subject: x\r\n\r\nHi\r\n": /nobody can say who is in From \(missing\)/,
    "From: a@example.org\r\nFrom: b@evil.test\r\n\r\nHi\r\n": /\(several-fields\)/,
    "From: a@example.org, b@evil.test\r\n\r\nHi\r\n": /\(several-mailboxes\)/,
    "From: a@example.org\r\nfrom : b@evil.test\r\n\r\nHi\r\n": /\(several-fields\)/,
    "From: a@example.org\r\nno field\r\nTo: x@y.test\r\n\r\nHi\r\n": /a line that is no field/,
    [`From: a@example.org\r\n${"To: x@y.test\r\n".repeat(120)}\r\nHi\r\n`]:
      /too many header fields/,
  };
  for (const [message, reason] of Object.entries(cases)) {
    const { text, record } = await sign(message);
    assert.equal(text, message);
    assert.ok(record.kind === "unsigned", message);
    assert.match(record.reason, reason);
  }
});

test("a signature that cannot be made defers the message, or lets it go without, as policy says", async () => {
  // A public key signs nothing.
  const broken = { ...RSA, key: createPublicKey(RSA.key) };
  const policy = toSigningPolicy([broken]);
  await assert.rejects(sign(`${HEAD}\r\nHi\r\n`, policy), (error) => {
    assert.ok(error instanceof Unavailable);
    assert.equal(error.dependency, "signing");
    return true;
  });
  const sent = await sign(`${HEAD}\r\nHi\r\n`, { ...policy, onFailure: "send" });
  assert.equal(sent.text, `${HEAD}\r\nHi\r\n`);
  assert.match(JSON.stringify(sent.record), /unsigned.*it failed/);
  const { text } = await metrics.expose();
  assert.match(text, /postern_signatures_total\{result="failed"\} 2$/m);
});

test("a seal that cannot be made keeps no mail back", async () => {
  const broken = { ...RSA, key: createPublicKey(RSA.key), file: "key.pem" };
  const source = toBytesSource(`${HEAD}\r\nHi\r\n`);
  const words = { found: { result: "none", temporary: false }, results: "mx.test; none" } as const;
  const left = await signer.seal({ key: broken, when: "always" }, source, words, null);
  assert.equal(left.source, source);
  assert.match(JSON.stringify(left.record), /"unsealed","reason":"it failed: /);
});

test("a disk that cannot be read is no failure of the signature", async () => {
  const source: MessageSource = {
    size: 1,
    // biome-ignore lint/correctness/useYield: it fails before.
    async *read() {
      throw new Unavailable("temporary files", "gone");
    },
  };
  const policy = { ...POLICY, onFailure: "send" } as const;
  await assert.rejects(signer.sign(policy, source, null), { message: "temporary files: gone" });
});

test("of a second leg only the header is read: the body is known", async () => {
  const message = `${HEAD}\r\n${"line\r\n".repeat(50_000)}`;
  const { bodyHash } = await sign(message);
  let read = 0;
  const source = toBytesSource(Buffer.from(message));
  const counting: MessageSource = {
    size: source.size,
    async *read() {
      for await (const chunk of source.read()) {
        read += chunk.length;
        yield chunk;
      }
    },
  };
  const again = await signer.sign(POLICY, counting, bodyHash);
  assert.ok(read <= 65_536);
  const text = (await readAll(again.source)).toString("latin1");
  assert.deepEqual(resultsOf(await verify(text)), ["pass", "pass"]);
});
