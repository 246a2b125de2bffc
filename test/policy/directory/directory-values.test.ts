import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import {
  type DirectoryValue,
  readAddressValue,
} from "../../../src/policy/directory/address-value.ts";
import { type CsvOptions, csvAddresses } from "../../../src/policy/directory/csv-addresses.ts";
import { textOf } from "../../../src/policy/directory/directory-text.ts";
import { ldifAddresses } from "../../../src/policy/directory/ldif-addresses.ts";
import { afterwards } from "../../support/afterwards.ts";

const ATTRIBUTES = ["mail", "proxyAddresses"];

/** In pieces of one character, so that nothing depends on where a chunk ends. */
async function* inPieces(text: string, size = 1): AsyncGenerator<string> {
  for (let at = 0; at < text.length; at += size) yield text.slice(at, at + size);
}

async function all(values: AsyncIterable<DirectoryValue>): Promise<readonly string[]> {
  return Array.fromAsync(values, ({ text }) => text);
}

const ldif = (text: string, size = 1) => all(ldifAddresses(inPieces(text, size), ATTRIBUTES));
const csv = (text: string, options: Partial<CsvOptions> = {}) =>
  all(csvAddresses(inPieces(text), { columns: [], separator: ",", ...options }));

test("addresses are read as Active Directory writes them, and those of other systems left out", () => {
  const kinds = (texts: readonly string[]) => texts.map((text) => readAddressValue(text).kind);
  assert.deepEqual(kinds(["SMTP:a@x.test", "smtp:a@x.test", " a@x.test ", "@x.test"]), [
    ...["entry", "entry", "entry", "entry"],
  ]);
  const others = [
    "x500:/o=Org/cn=a",
    "X400:c=us;a= ;p=Org;",
    "SIP:a@x.test",
    "EUM:1;phone-context=x",
    "Alice",
  ];
  assert.deepEqual(new Set(kinds(others)), new Set(["other"]));
  assert.deepEqual(kinds(["smtp:a b@x.test", "a@b@c", "smtp:@"]), [
    "malformed",
    "malformed",
    "malformed",
  ]);
});

const LDIF = `version: 1

# people
dn: CN=Alice,DC=x
objectClass: user
Mail: alice@x.test
proxyAddresses: SMTP:al
 ice@x.test
proxyAddresses:: c210cDpqb3PDqUB4LnRlc3Q=
proxyAddresses;lang-de: smtp:liesl@x.test
# a comment
  that goes on
description: mail: no@x.test
mailbox: no2@x.test

dn: CN=Bob,DC=x
mail:bob@x.test
`;

test("LDIF: long lines, base64, comments, options and any line ending", async () => {
  const expected = [
    ...["alice@x.test", "SMTP:alice@x.test", "smtp:jos\u00e9@x.test", "smtp:liesl@x.test"],
    "bob@x.test",
  ];
  assert.deepEqual(await ldif(LDIF), expected);
  assert.deepEqual(await ldif(LDIF.replaceAll("\n", "\r\n"), 7), expected);
  assert.deepEqual(await ldif(LDIF.trimEnd(), 1000), expected);
});

test("LDIF that is a file of changes, half a search, or no LDIF is refused with its line", async () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ["dn: a\nchangetype: delete\n", /line 2: .*file of changes/],
    ["dn: a\nmail: a@x.test\n\n# end\nresult: 4 Size limit exceeded\n", /line 5: .*Size limit/],
    ["dn: a\nnonsense\n", /line 2: expected `attribute: value`/],
    ["dn: a\nmail:< file:///etc/passwd\n", /line 2: values in other files/],
    ["dn: a\nmail:: /w==\n", /line 2: expected UTF-8/],
  ];
  for (const [text, expected] of cases) await assert.rejects(ldif(text), expected, text);
  assert.deepEqual(await ldif("dn: a\nchangetype: add\nmail: a@x.test\n\nresult: 0 Success\n"), [
    "a@x.test",
  ]);
});

test("CSV: columns by name in any case, by number, or the usual ones", async () => {
  const text = 'Name,Mail,ProxyAddresses\r\n"Smith, A",a@x.test,"SMTP:a@x.test;smtp:b@x.test"\r\n';
  assert.deepEqual(await csv(text), ["a@x.test", "SMTP:a@x.test", "smtp:b@x.test"]);
  assert.deepEqual(await csv(text, { columns: ["MAIL"] }), ["a@x.test"]);
  assert.deepEqual(await csv("a@x.test\nb@x.test", { columns: ["1"] }), ["a@x.test", "b@x.test"]);
  assert.deepEqual(await csv("mail\na@x.test b@x.test\nc d@x.test\n"), [
    ...["a@x.test", "b@x.test", "c d@x.test"],
  ]);
  assert.deepEqual(await csv("n;mail\nx;a@x.test\n", { separator: ";" }), ["a@x.test"]);
});

test("CSV: quotes hold separators, line breaks and quotes", async () => {
  const text = 'mail,note\n"""a,b""@x.test","two\nlines"\nb@x.test,\n';
  assert.deepEqual(await csv(text), ['"a,b"@x.test', "b@x.test"]);
});

test("CSV: without the column that was asked for, or with an open quote, nothing is guessed", async () => {
  await assert.rejects(csv("a,b\n1,2\n"), /expected --column, one of a, b/);
  await assert.rejects(csv("a,b\n1,2\n", { columns: ["mail"] }), /no column mail/);
  await assert.rejects(csv('mail\n"a@x.test\n'), /quote that is not closed/);
});

test("CSV: the line that PowerShell puts before the names is passed over", async () => {
  assert.deepEqual(await csv('#TYPE Selected.User\n"mail"\n"a@x.test"\n'), ["a@x.test"]);
});

test("whatever a file holds, it is read to its end or refused", async () => {
  const noise = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.stringMatching(/^[\n\r ":;,a@x.:<#-]{0,80}$/),
  );
  await fc.assert(
    fc.asyncProperty(noise, async (text) => {
      for (const read of [() => ldif(text), () => csv(`mail\n${text}`)])
        for (const value of await read().catch(
          (error: unknown) => assert.ok(error instanceof Error) ?? [],
        ))
          readAddressValue(value);
    }),
    { numRuns: 300 },
  );
});

async function fileOf(context: TestContext, bytes: Buffer): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "postern-text-"));
  afterwards(context, () => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "file");
  await writeFile(file, bytes);
  return file;
}

test("text may be UTF-8 with a mark, or UTF-16 as Windows writes it; other bytes are refused", async (context) => {
  const text = "jos\u00e9@x.test\n";
  const read = async (bytes: Buffer) =>
    (await Array.fromAsync(textOf(await fileOf(context, bytes)))).join("");
  assert.equal(await read(Buffer.from(text)), text);
  assert.equal(await read(Buffer.from(`\ufeff${text}`)), text);
  assert.equal(await read(Buffer.from(`\ufeff${text}`, "utf16le")), text);
  await assert.rejects(read(Buffer.from(text, "latin1")), /expected text in UTF-8 or UTF-16/);
});
