import assert from "node:assert/strict";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { makeSigningKey } from "../../src/auth/dkim/signing-key.ts";
import { createSystemClock } from "../../src/base/clock.ts";
import { PolicyError } from "../../src/base/errors.ts";
import { loadPolicy } from "../../src/policy/load-policy.ts";
import { createCatalog } from "../../src/stages/catalog.ts";
import { MINIMAL, policyOnDisk } from "./policy-on-disk.ts";

const clock = createSystemClock();
const PEM = makeSigningKey("rsa", 1024);
const ED = makeSigningKey("ed25519");

/** A policy with these keys, each with a mode of its own. */
async function load(
  context: TestContext,
  signing: string,
  keys: Readonly<Record<string, string>> = { "a.pem": PEM, "e.pem": ED },
  mode = 0o600,
) {
  const folder = await policyOnDisk(context, { ...MINIMAL, "signing.yaml": signing });
  for (const [name, text] of Object.entries(keys)) {
    await writeFile(join(folder, name), text);
    await chmod(join(folder, name), mode);
  }
  return loadPolicy({ folder, catalog: createCatalog(), clock });
}

async function problemsOf(...args: Parameters<typeof load>): Promise<readonly string[]> {
  const error: unknown = await load(...args).then(
    () => assert.fail("it was taken"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof PolicyError);
  return error.problems.map(({ line, col, path, message }) => `${line}:${col} ${path}: ${message}`);
}

test("the most specific entry has the keys of a domain, and a wildcard signs as its domain", async (context) => {
  const { signing, effective } = await load(
    context,
    `keys:
  Example.ORG: [{ selector: S1, file: a.pem }, { selector: e1, file: e.pem }]
  "*.example.org": { selector: s1, file: a.pem }
  news.example.org: { selector: n1, file: e.pem }
expires: 2w
`,
  );
  const of = (domain: string) =>
    signing.keysFor(domain).map((key) => `${key.domain} ${key.selector} ${key.algorithm}`);
  assert.deepEqual(of("example.org"), [
    "example.org s1 rsa-sha256",
    "example.org e1 ed25519-sha256",
  ]);
  assert.deepEqual(of("a.b.example.org"), ["example.org s1 rsa-sha256"]);
  assert.deepEqual(of("news.example.org"), ["news.example.org n1 ed25519-sha256"]);
  assert.deepEqual(of("example.com"), []);
  assert.deepEqual(of("evilexample.org"), []);
  assert.equal(signing.expiresMs, 14 * 86_400_000);
  const shown = JSON.stringify(effective);
  assert.match(shown, /"selector":"s1","file":"a\.pem","algorithm":"rsa-sha256","bits":1024/);
  assert.doesNotMatch(shown, /PRIVATE/);
});

test("nothing written signs and seals nothing", async (context) => {
  const folder = await policyOnDisk(context, MINIMAL);
  const { signing } = await loadPolicy({ folder, catalog: createCatalog(), clock });
  assert.deepEqual([signing.all, signing.sealing, signing.keysFor("example.org")], [[], null, []]);
});

const ONE = "keys: { example.org: { selector: s1, file: a.pem } }\n";

test("a key that others may read is refused, with its mode", async (context) => {
  for (const mode of [0o640, 0o604, 0o660])
    assert.deepEqual(await problemsOf(context, ONE, { "a.pem": PEM }, mode), [
      `1:44 keys.example.org.file: \`a.pem\` cannot be read: expected mode 0600, got 0${mode.toString(8)}: others may read it`,
    ]);
});

test("a file that is no key to sign with says what it is, and never what it holds", async (context) => {
  const { generateKeyPairSync } = await import("node:crypto");
  const rsa = (modulusLength: number) =>
    generateKeyPairSync("rsa", { modulusLength })
      .privateKey.export({ type: "pkcs8", format: "pem" })
      .toString();
  const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const locked = generateKeyPairSync("ed25519").privateKey.export({
    type: "pkcs8",
    format: "pem",
    cipher: "aes-256-cbc",
    passphrase: "x",
  });
  const cases: readonly (readonly [string, RegExp])[] = [
    ["secret words", /expected a private key in PEM form without a passphrase$/],
    ["", /expected a private key in PEM form/],
    [locked.toString(), /without a passphrase$/],
    [rsa(768), /expected an RSA key of at least 1024 bits, got 768/],
    [rsa(4104), /expected an RSA key of at most 4096 bits, got 4104/],
    [
      ec.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
      /expected an RSA or Ed25519 key, got ec$/,
    ],
    [
      ec.publicKey.export({ type: "spki", format: "pem" }).toString(),
      /expected a private key in PEM form/,
    ],
  ];
  for (const [text, expected] of cases) {
    const [only = "", ...more] = await problemsOf(context, ONE, { "a.pem": text });
    assert.deepEqual(more, []);
    assert.match(only, expected);
    assert.doesNotMatch(only, /secret words/);
  }
});

test("one name in DNS cannot have two keys, nor one domain two entries", async (context) => {
  const twice =
    "keys:\n  example.org: [{ selector: s, file: a.pem }, { selector: S, file: e.pem }]\n";
  assert.deepEqual(await problemsOf(context, twice), [
    "2:59 keys.example.org.1.selector: `s` is used twice: DNS has one key there",
  ]);
  const again =
    "keys:\n  example.org: { selector: s, file: a.pem }\n  EXAMPLE.org: { selector: t, file: a.pem }\n";
  assert.deepEqual(await problemsOf(context, again), [
    "3:3 keys.EXAMPLE.org: `example.org` has its keys already",
  ]);
});

test("a domain and its wildcard may share a selector only with the same key", async (context) => {
  const both = (file: string) => `keys:
  example.org: { selector: s1, file: a.pem }
  "*.example.org": { selector: s1, file: ${file} }
`;
  assert.equal((await load(context, both("a.pem"))).signing.all.length, 2);
  assert.deepEqual(await problemsOf(context, both("e.pem")), [
    "3:3 keys.*.example.org: s1._domainkey.example.org is of another key already",
  ]);
});

test("another key in the file is another policy, although its version is the same", async (context) => {
  const first = await load(context, ONE);
  const second = await load(context, ONE, { "a.pem": ED });
  assert.equal(second.version, first.version);
  assert.notEqual(second.secrets, first.secrets);
});

test("a sealer is a domain of ours with a key, and seals what was changed unless told otherwise", async (context) => {
  const arc = (more: string) => `arc: { domain: example.org, selector: a1, file: a.pem${more} }\n`;
  const { signing } = await load(context, arc(""));
  assert.deepEqual([signing.sealing?.when, signing.sealing?.key.selector], ["changed", "a1"]);
  assert.equal((await load(context, arc(", seal: always"))).signing.sealing?.when, "always");
  const foreign = arc("").replace("example.org", "friend.test");
  const [only = ""] = await problemsOf(context, foreign);
  assert.match(
    only,
    /^1:1 arc: expected a domain of domains\.yaml or below one, got `friend\.test`/,
  );
});
