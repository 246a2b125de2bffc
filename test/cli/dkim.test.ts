import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { parseDkimKey } from "../../src/auth/dkim/dkim-key.ts";
import { parseSigningKey, toKeyRecord } from "../../src/auth/dkim/signing-key.ts";
import { runCli } from "../../src/cli/cli.ts";
import { afterwards } from "../support/afterwards.ts";
import { startFakeDns } from "../support/fake-dns.ts";
import { writeGatewayFiles } from "../support/test-gateway.ts";

async function openCli(context: TestContext, dnsServer?: string) {
  const folder = await mkdtemp(join(tmpdir(), "postern-dkim-"));
  afterwards(context, () => rm(folder, { recursive: true, force: true }));
  const settings = await writeGatewayFiles(folder, {
    hubPort: 1,
    ...(dnsServer !== undefined && { dnsServer }),
  });
  const run = async (...words: readonly string[]) => {
    const lines: string[] = [];
    const say = (line: string) => void lines.push(line);
    const streams = { out: say, err: say, env: {}, cwd: folder };
    const code = await runCli(["--settings", settings, ...words], streams);
    return { code, text: lines.join("\n") };
  };
  const sign = (text: string) => writeFile(join(folder, "policies/signing.yaml"), text);
  return { folder, run, sign };
}

test("dkim new makes a key that only its owner reads, and prints what to publish and to write", async (context) => {
  const { folder, run, sign } = await openCli(context);
  const made = await run("dkim", "new", "Example.ORG", "--selector", "s1");
  assert.equal(made.code, 0, made.text);
  const file = join(folder, "policies/dkim/example.org.s1.pem");
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  const key = parseSigningKey(await readFile(file, "utf8"));
  assert.ok(typeof key !== "string");
  assert.deepEqual([key.algorithm, key.bits], ["rsa-sha256", 2048]);
  const record = toKeyRecord(key);
  assert.ok(made.text.includes(`\ns1._domainkey.example.org\n${record}\n`));
  const zone = /^s1\._domainkey\.example\.org\. IN TXT \(([^)]*)\)$/m.exec(made.text)?.[1] ?? "";
  const strings = [...zone.matchAll(/"([^"]*)"/g)].map((match) => match[1] ?? "");
  assert.ok(strings.length > 1 && strings.every(({ length }) => length <= 255));
  assert.equal(strings.join(""), record);
  const line = made.text.split("\n").at(-1) ?? "";
  assert.equal(line, "keys: { example.org: { selector: s1, file: dkim/example.org.s1.pem } }");
  await sign(`${line}\n`);
  const checked = await run("check");
  assert.equal(checked.code, 0, checked.text);
  assert.match(checked.text, /^signing +example\.org: s1 \(RSA, 2048 bits\)$/m);
});

test("dkim new never overwrites a key", async (context) => {
  const { folder, run } = await openCli(context);
  await run("dkim", "new", "example.org", "--selector", "s1", "--type", "ed25519");
  const file = join(folder, "policies/dkim/example.org.s1.pem");
  const before = await readFile(file, "utf8");
  const again = await run("dkim", "new", "example.org", "--selector", "s1");
  assert.equal(again.code, 2);
  assert.match(again.text, /is there already and stays; --selector names another key/);
  assert.equal(await readFile(file, "utf8"), before);
});

test("each kind has a selector of its own, and its record can be read", async (context) => {
  const { folder, run } = await openCli(context);
  for (const type of ["rsa", "ed25519"]) {
    const { text } = await run("--json", "dkim", "new", "example.org", "--type", type);
    const { file, selector, value, strings, name } = JSON.parse(text);
    assert.match(selector, new RegExp(`^${type.charAt(0)}\\d{6}$`));
    assert.equal(name, `${selector}._domainkey.example.org`);
    assert.equal(strings.join(""), value);
    const read = parseDkimKey(value);
    assert.ok(typeof read !== "string");
    assert.equal(read.type, type);
    assert.ok(file.endsWith(`/policies/dkim/example.org.${selector}.pem`));
  }
  assert.equal((await readdir(join(folder, "policies/dkim"))).length, 2);
});

test("what is no domain, selector or length is refused, and makes no file", async (context) => {
  const { folder, run } = await openCli(context);
  for (const words of [
    ["org"],
    ["../evil"],
    ["example.org", "--selector", "../../x"],
    ["example.org", "--bits", "512"],
    ["example.org", "--type", "dsa"],
  ])
    assert.equal((await run("dkim", "new", ...words)).code, 2, words.join(" "));
  assert.ok(!(await readdir(join(folder, "policies"))).includes("dkim"));
});

test("dkim show and doctor tell whether DNS has the key", async (context) => {
  const dns = await startFakeDns({});
  afterwards(context, () => dns.close());
  const { run, sign } = await openCli(context, dns.address);
  const none = await run("dkim", "show", "example.org");
  assert.equal(none.code, 1);
  assert.match(none.text, /signing\.yaml has no such key for example\.org/);
  const made = JSON.parse(
    (await run("--json", "dkim", "new", "example.org", "--selector", "s1", "-o", "k.pem")).text,
  );
  await sign(`keys: { example.org: { selector: s1, file: ${made.file} } }\n`);
  const missing = await run("dkim", "show", "example.org");
  assert.equal(missing.code, 1);
  assert.match(missing.text, /^DNS has not got it: no key/m);
  assert.match((await run("doctor")).text, /^fail +dkim +s1\._domainkey\.example\.org: no key/m);
  dns.setZone({ [made.name]: { TXT: [made.strings] } });
  const there = await run("dkim", "show", "mail.example.org");
  assert.match(there.text, /^DNS has it$/m);
  assert.equal(there.code, 0);
  assert.match((await run("doctor")).text, /^ok +dkim +s1\._domainkey\.example\.org: published/m);
});
