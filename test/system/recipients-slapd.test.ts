import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { runCli } from "../../src/cli/cli.ts";
import { afterwards } from "../support/afterwards.ts";
import { startScriptedHub } from "../support/scripted-hub.ts";
import { SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import {
  noSlapd,
  SLAPD_BASE,
  SLAPD_PASSWORD,
  SLAPD_READER,
  type SlapdOptions,
  type SlapdPerson,
  type SlapdServer,
  startSlapd,
} from "../support/slapd-server.ts";
import { createTestAuthority } from "../support/test-authority.ts";
import { startTestGateway } from "../support/test-gateway.ts";

const skip = noSlapd();

interface Inside {
  readonly folder: string;
  readonly key: string;
  /** `postern recipients export` over LDAPS as the reader, but for these words. */
  exportWith(words?: readonly string[], password?: string): Promise<{ code: number; text: string }>;
  knows(address: string): Promise<boolean>;
}

async function withDirectory(
  context: TestContext,
  options: SlapdOptions,
): Promise<{ inside: Inside; slapd: SlapdServer }> {
  const slapd = await startSlapd(options);
  afterwards(context, () => slapd[Symbol.asyncDispose]());
  const folder = await mkdtemp(join(tmpdir(), "postern-inside-"));
  afterwards(context, () => rm(folder, { recursive: true, force: true }));
  const run = async (words: readonly string[], password = SLAPD_PASSWORD) => {
    const lines: string[] = [];
    const say = (line: string) => void lines.push(line);
    const env = { POSTERN_LDAP_PASSWORD: password };
    const code = await runCli(["recipients", ...words], { out: say, err: say, env, cwd: folder });
    return { code, text: lines.join("\n") };
  };
  const made = await run(["keygen", "-o", "sign.pem", "--json"]);
  const { key } = JSON.parse(made.text) as { readonly key: string };
  const base = ["export", "--format", "ldap", "-o", "r.hashed", "--key", "sign.pem"];
  const who = ["--base", SLAPD_BASE, "--bind-dn", SLAPD_READER, "--ca", slapd.caFile];
  return {
    slapd,
    inside: {
      folder,
      key,
      exportWith: (words = ["--url", slapd.ldaps], password = SLAPD_PASSWORD) =>
        run([...base, ...who, ...words], password),
      knows: async (address) =>
        (await run(["show", "r.hashed", "--key", key, "--address", address])).code === 0,
    },
  };
}

function crowd(count: number): readonly SlapdPerson[] {
  return Array.from({ length: count }, (_, i) => ({
    name: `person ${i}`,
    mail: `first.${i}@example.org`,
    proxyAddresses: [
      ...[`SMTP:First.${i}@example.org`, `smtp:p${i}@example.org`, `smtp:p${i}@example.com`],
      `x500:/o=Example/cn=p${i}`,
    ],
  }));
}

test("a directory of several pages is exported whole, as Active Directory writes it", {
  skip,
}, async (context) => {
  const josé = { name: "José", proxyAddresses: ["smtp:jos\u00e9@example.org"] };
  const printer = { name: "Printer", proxyAddresses: ["X500:/o=Example/cn=printer"] };
  const people = [...crowd(120), josé, printer];
  const { inside, slapd } = await withDirectory(context, { people });
  const words = ["--url", slapd.ldaps, "--page-size", "50", "--domain", "example.org", "--json"];
  const { code, text } = await inside.exportWith(words);
  assert.equal(code, 0, text);
  const about = JSON.parse(text) as Readonly<Record<string, unknown>>;
  assert.deepEqual(about.domains, { "example.org": 241 });
  assert.deepEqual([about.ofOtherDomains, about.other, about.malformed], [120, 121, 0]);
  assert.ok(await inside.knows("FIRST.119@example.org"));
  assert.ok(await inside.knows("jose\u0301@example.org"));
  assert.ok(!(await inside.knows("first.120@example.org")));
});

test("a directory whose last page is full, and one without anybody, are exported right", {
  skip,
}, async (context) => {
  const { inside, slapd } = await withDirectory(context, { people: crowd(100) });
  for (const size of ["50", "100", "25", "1"]) {
    const words = ["--url", slapd.ldaps, "--page-size", size, "--domain", "example.org", "--json"];
    const { code, text } = await inside.exportWith(words);
    assert.equal(code, 0, text);
    assert.equal((JSON.parse(text) as { addresses: number }).addresses, 200, size);
  }
  const nobody = await inside.exportWith(["--url", slapd.ldaps, "--filter", "(cn=nobody)"]);
  assert.deepEqual([nobody.code, /no address was found/.test(nobody.text)], [1, true]);
});

test("the connection is encrypted by StartTLS, and its certificate is checked", {
  skip,
}, async (context) => {
  const { inside, slapd } = await withDirectory(context, { people: crowd(3) });
  await using stranger = await createTestAuthority("Somebody else");
  const started = await inside.exportWith(["--url", slapd.ldap, "--start-tls"]);
  assert.equal(started.code, 0, started.text);
  const before = await readFile(join(inside.folder, "r.hashed"));
  const refused: readonly (readonly string[])[] = [
    ["--url", slapd.ldaps, "--ca", stranger.certFile],
    ["--url", slapd.ldap, "--start-tls", "--ca", stranger.certFile],
    ["--url", slapd.misnamed],
    [
      "--url",
      slapd.misnamed.replace("ldaps", "ldap").replace(/\d+$/, slapd.ldap.slice(17)),
      "--start-tls",
    ],
  ];
  for (const words of refused) {
    const { code, text } = await inside.exportWith(words);
    assert.equal(code, 2, words.join(" "));
    assert.match(text, /certificate|altname/i);
  }
  assert.equal((await inside.exportWith(["--url", slapd.ldaps], "wrong")).code, 2);
  assert.deepEqual(await readFile(join(inside.folder, "r.hashed")), before);
});

test("a search that the directory cuts off leaves the export before it", {
  skip,
}, async (context) => {
  const sizeLimit = "size.soft=50 size.hard=50 size.pr=20 size.prtotal=60";
  const { inside, slapd } = await withDirectory(context, { people: crowd(100), sizeLimit });
  const few = ["--url", slapd.ldaps, "--page-size", "20", "--filter", "(cn=person 1*)"];
  assert.equal((await inside.exportWith(few)).code, 0);
  const before = await readFile(join(inside.folder, "r.hashed"));
  const all = await inside.exportWith(["--url", slapd.ldaps, "--page-size", "20", "--force"]);
  assert.equal(all.code, 2, all.text);
  assert.deepEqual(await readFile(join(inside.folder, "r.hashed")), before);
});

test("a connection that breaks in the middle of a search leaves the export before it", {
  skip,
}, async (context) => {
  const { inside, slapd } = await withDirectory(context, { people: crowd(100) });
  const base = ["--page-size", "20", "--url"];
  assert.equal(
    (await inside.exportWith([...base, slapd.ldap.replace("localhost", "127.0.0.1")])).code,
    0,
  );
  const before = await readFile(join(inside.folder, "r.hashed"));
  let connections = 0;
  // The first connection ends after two pages or so; each that follows is whole.
  const proxy = createServer((client) => {
    const server = connect(slapd.port, "127.0.0.1");
    const isFirst = connections++ === 0;
    let octets = 0;
    server.on("data", (chunk: Buffer) => {
      octets += chunk.length;
      if (isFirst && octets > 8000) client.destroy();
      else client.write(chunk);
    });
    client.on("data", (chunk) => server.write(chunk));
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
    }
  });
  await new Promise<void>((done) => void proxy.listen(0, "127.0.0.1", done));
  afterwards(context, () => proxy.close());
  const { port } = proxy.address() as AddressInfo;
  const broken = await inside.exportWith([...base, `ldap://127.0.0.1:${port}`, "--force"]);
  assert.ok(connections > 0);
  assert.equal(broken.code, 2, broken.text);
  assert.deepEqual(await readFile(join(inside.folder, "r.hashed")), before);
});

for (const workers of [1, 2])
  test(`from the directory to the answer at RCPT, with workers: ${workers}`, {
    skip,
  }, async (context) => {
    const { inside } = await withDirectory(context, { people: crowd(3) });
    const { code, text } = await inside.exportWith();
    assert.equal(code, 0, text);
    const hub = await startScriptedHub();
    afterwards(context, () => hub.close());
    const folder = await mkdtemp(join(tmpdir(), "postern-test-"));
    await mkdir(join(folder, "policies"));
    const bytes = await readFile(join(inside.folder, "r.hashed"));
    await writeFile(join(folder, "policies", "r.hashed"), bytes);
    const recipients = { hashed: "r.hashed", key: inside.key, tags: "+" };
    const edge = await startTestGateway({
      folder,
      hubPort: hub.port,
      policies: { domains: { domains: { "example.org": { recipients } } } },
      settings: { workers },
    });
    afterwards(context, () => edge.remove());
    const to = ["First.2@example.org", "p0+news@example.org", "first.3@example.org"];
    const { rcpt, final } = await sendMail({ port: edge.port, to, message: SIMPLE_MESSAGE });
    assert.deepEqual(
      rcpt.map(({ text: line }) => line.slice(0, 9)),
      ["250 2.1.5", "250 2.1.5", "550 5.1.1"],
    );
    assert.equal(final?.code, 250);
    await hub.waitFor(() => hub.lines.includes("RCPT TO:<p0+news@example.org>"));
  });
