import assert from "node:assert/strict";
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { runCli } from "../../src/cli/cli.ts";
import { afterwards } from "../support/afterwards.ts";

interface Inside {
  readonly folder: string;
  readonly key: string;
  run(...words: readonly string[]): Promise<{ code: number; out: string; err: string }>;
  write(name: string, text: string): Promise<void>;
}

/** A folder inside the organisation, with a key pair. */
async function goInside(context: TestContext): Promise<Inside> {
  const folder = await mkdtemp(join(tmpdir(), "postern-inside-"));
  afterwards(context, () => rm(folder, { recursive: true, force: true }));
  const run: Inside["run"] = async (...words) => {
    const [out, err]: [string[], string[]] = [[], []];
    const streams = {
      out: (line: string) => void out.push(line),
      err: (line: string) => void err.push(line),
      env: {},
      cwd: folder,
    };
    const code = await runCli(["recipients", ...words], streams);
    return { code, out: out.join("\n"), err: err.join("\n") };
  };
  const made = await run("keygen", "-o", "sign.pem", "--json");
  assert.equal(made.code, 0, made.err);
  const { key } = JSON.parse(made.out) as { readonly key: string };
  return { folder, key, run, write: (name, text) => writeFile(join(folder, name), text) };
}

const EXPORT = [
  "export",
  "--format",
  "csv",
  "--input",
  "in.csv",
  "-o",
  "r.hashed",
  "--key",
  "sign.pem",
];
const CSV =
  "mail\nalice@example.org\nBob@Example.org\nx500:/o=x\neve@example.com\na b@example.org\n";

test("the private key is nobody else's to read, and never replaced", async (context) => {
  const { folder, run } = await goInside(context);
  assert.equal((await stat(join(folder, "sign.pem"))).mode & 0o777, 0o600);
  const before = await readFile(join(folder, "sign.pem"), "utf8");
  assert.equal((await run("keygen", "-o", "sign.pem")).code, 2);
  assert.equal(await readFile(join(folder, "sign.pem"), "utf8"), before);
});

test("an export is made, told, and found right by its public key", async (context) => {
  const { folder, key, run, write } = await goInside(context);
  await write("in.csv", CSV);
  const made = await run(...EXPORT, "--domain", "example.org", "--fresh-for", "6h", "--json");
  assert.equal(made.code, 0, made.err);
  assert.deepEqual(JSON.parse(made.out), {
    file: join(folder, "r.hashed"),
    addresses: 2,
    domains: { "example.org": 2 },
    ...{ other: 1, ofOtherDomains: 1, malformed: 1 },
  });
  assert.match(made.err, /^no address: "a b@example.org" \(row 6\)$/);
  const shown = await run("show", "r.hashed", "--key", key, "--json");
  const about = JSON.parse(shown.out) as Readonly<Record<string, unknown>>;
  assert.deepEqual([about.domains, about.freshForMs], [{ "example.org": 2 }, 6 * 3_600_000]);
  const ask = async (address: string) =>
    (await run("show", "r.hashed", "--key", key, "--address", address)).code;
  assert.deepEqual([await ask("BOB@example.org"), await ask("eve@example.com")], [0, 1]);
  assert.deepEqual((await readdir(folder)).toSorted(), ["in.csv", "r.hashed", "sign.pem"]);
});

test("nothing is written when there is nobody, or much fewer than before", async (context) => {
  const { folder, run, write } = await goInside(context);
  await write("in.csv", CSV);
  assert.equal((await run(...EXPORT)).code, 0);
  const before = await readFile(join(folder, "r.hashed"));
  await write("in.csv", "mail\n");
  assert.equal((await run(...EXPORT)).code, 1);
  await write("in.csv", "mail\nalice@example.org\n");
  const fewer = await run(...EXPORT);
  assert.deepEqual([fewer.code, /has 3 addresses and would have 1/.test(fewer.err)], [1, true]);
  assert.deepEqual(await readFile(join(folder, "r.hashed")), before);
  assert.equal((await run(...EXPORT, "--force")).code, 0);
});

test("a source that breaks off leaves the export before it", async (context) => {
  const { folder, run, write } = await goInside(context);
  await write("in.csv", CSV);
  await run(...EXPORT);
  const before = await readFile(join(folder, "r.hashed"));
  await write("in.csv", 'mail\nalice@example.org\n"bob@exa');
  const broken = await run(...EXPORT, "--force");
  assert.deepEqual([broken.code, /quote that is not closed/.test(broken.err)], [2, true]);
  assert.deepEqual(await readFile(join(folder, "r.hashed")), before);
  assert.deepEqual((await readdir(folder)).length, 3);
});

test("words that do not fit together are told", async (context) => {
  const { folder, run, write } = await goInside(context);
  await write("in.csv", CSV);
  const ldap = ["export", "--format", "ldap", "-o", "r", "--key", "sign.pem"];
  const at = ["--url", "ldap://directory.example.org", "--base", "dc=x"];
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [EXPORT.filter((word) => word !== "--input" && word !== "in.csv"), /expected --input/],
    [[...EXPORT, "--fresh-for", "soon"], /expected a time such as 24h/],
    [[...EXPORT, "--domain", "..."], /expected a domain/],
    [[...EXPORT, "--separator", "ab"], /expected one character/],
    [ldap, /expected --url and --base/],
    [[...ldap, ...at], /expected ldaps:\/\/, or --start-tls/],
    [[...ldap, ...at, "--bind-dn", "cn=x"], /expected --password-file/],
    [[...ldap, "--url", "http://x", "--base", "dc=x"], /expected ldaps:\/\/host/],
    [[...ldap, ...at, "--page-size", "0"], /--page-size/],
    [EXPORT.map((word) => (word === "sign.pem" ? "in.csv" : word)), /expected a private Ed25519/],
  ];
  for (const [words, expected] of cases) {
    const { code, err } = await run(...words);
    assert.equal(code, 2, words.join(" "));
    assert.match(err, expected);
  }
  await chmod(join(folder, "sign.pem"), 0o644);
  assert.match((await run(...EXPORT)).err, /others may read it/);
});
