import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { makeSigningKey } from "../../src/auth/dkim/signing-key.ts";
import { judgeCommand } from "../../src/cli/judge.ts";
import { isVisible } from "../../src/cli/visible-text.ts";
import { afterwards } from "../support/afterwards.ts";

const FILES = {
  // Nobody listens there: mail of ours is judged without DNS.
  "postern.yaml":
    'hostname: mx1.example.org\nclamd: none\ndns: { servers: ["127.0.0.1:9"], timeoutMs: 100 }\n',
  "policies/domains.yaml":
    "domains: { example.org: { verify: off }, corp.example.org: { verify: off } }\n",
  "policies/routing.yaml": 'connectors: { out: { domains: ["*"], smarthosts: ["127.0.0.1:9"] } }\n',
  "policies/rewriting.yaml": "addresses: [{ internal: corp.example.org, external: example.org }]\n",
};

/** With a key for example.org. */
const withKey = () => ({
  "policies/signing.yaml": "keys: { example.org: { selector: s1, file: s1.pem } }\n",
  "policies/s1.pem": makeSigningKey("rsa", 1024),
});

async function folderWith(
  context: TestContext,
  files: Readonly<Record<string, string>>,
): Promise<string> {
  const cwd = await mkdtemp(join(tmpdir(), "postern-judge-test-"));
  afterwards(context, () => rm(cwd, { recursive: true, force: true }));
  await mkdir(join(cwd, "policies"));
  for (const [name, text] of Object.entries({ ...FILES, ...files }))
    await writeFile(join(cwd, name), text, { mode: 0o600 });
  return cwd;
}

async function judge(
  cwd: string,
  head: string,
  {
    json = false,
    outbound = true,
    to = "bob@elsewhere.test",
    user = undefined as string | undefined,
  } = {},
) {
  const file = join(cwd, "letter.eml");
  await writeFile(file, `${head}To: <${to}>\nSubject: x\n\nHello\n`);
  const lines: string[] = [];
  const print = (line: string) => void lines.push(line);
  const io = { out: print, err: print, env: {}, cwd, json };
  const session = { ip: "127.0.0.1", helo: "hub.inside", from: "alice@example.org", to: [to] };
  const code = await judgeCommand(io, { file, ...session, outbound, user });
  return { code, text: lines.join("\n") };
}

test("of mail of ours it is told as whom and with which key it would be signed", async (context) => {
  const cwd = await folderWith(context, withKey());
  const ours = await judge(cwd, "From: <alice@example.org>\n");
  assert.equal(ours.code, 0, ours.text);
  assert.match(ours.text, /^signed as example\.org, selector s1 \(rsa-sha256\)$/m);
  const { text } = await judge(cwd, "From: <alice@example.org>\n", { json: true });
  const signature = { domain: "example.org", selector: "s1", algorithm: "rsa-sha256" };
  assert.deepEqual(JSON.parse(text).signing, [{ kind: "signed", signatures: [signature] }]);
});

test("what is signed is the message as it would leave, with its addresses rewritten", async (context) => {
  const files = withKey();
  const cwd = await folderWith(context, files);
  const rewritten = await judge(cwd, "From: <alice@corp.example.org>\n");
  assert.match(rewritten.text, /^signed as example\.org, selector s1/m);
  const away = { ...files, "policies/rewriting.yaml": "# none\n" };
  const kept = await judge(await folderWith(context, away), "From: <alice@corp.example.org>\n");
  assert.match(kept.text, /^not signed, because there is no key for .* corp\.example\.org$/m);
});

test("why mail of ours would not be signed is told", async (context) => {
  const files = withKey();
  const cwd = await folderWith(context, files);
  const from = "From: <alice@example.org>\n";
  const passed = await judge(cwd, `Received: from a by mx1.example.org with ESMTP; x\n${from}`);
  assert.match(passed.text, /^not signed, because it has come through this gateway before/m);
  const without = await judge(await folderWith(context, {}), from);
  assert.match(without.text, /^not signed, because signing\.yaml has no keys$/m);
});

test("of mail of strangers, and of what is refused, nothing is said of a signature", async (context) => {
  const files = withKey();
  const from = "From: <alice@example.org>\n";
  const cwd = await folderWith(context, files);
  const stranger = await judge(cwd, from, { outbound: false, to: "bob@example.org", json: true });
  assert.deepEqual(JSON.parse(stranger.text).signing, []);
  const routing =
    'connectors: { in: { domains: [example.org, corp.example.org], smarthosts: ["127.0.0.1:9"] } }\n';
  const closed = await folderWith(context, { ...files, "policies/routing.yaml": routing });
  const refused = await judge(closed, from);
  assert.equal(refused.code, 1, refused.text);
  assert.doesNotMatch(refused.text, /signed/);
});

test("whose From is whose is told of a user by his name", async (context) => {
  const policy = (mode: string) => `outbound: { ownAuthors: { password: { mode: ${mode} } } }\n`;
  const folder = (mode: string) =>
    folderWith(context, { ...withKey(), "policies/pipeline.yaml": policy(mode) });
  const ceo = "From: <ceo@example.org>\n";
  const as = { user: "alice@example.org", outbound: false };
  const refusing = await folder("refuse");
  const refused = await judge(refusing, ceo, as);
  assert.equal(refused.code, 1);
  assert.match(refused.text, /^550 5\.7\.1 You may not send as ceo@example\.org/m);
  const { stages } = JSON.parse((await judge(refusing, ceo, { ...as, json: true })).text);
  const { evidence } = stages.find(({ stage }: { stage: string }) => stage === "own-author");
  const author = { kind: "mailbox", localPart: "ceo", domain: "example.org" };
  assert.deepEqual(evidence.authors, [author]);
  const own = await judge(refusing, "From: <alice@example.org>\n", as);
  assert.match(own.text, /^signed as example\.org/m);
  assert.match((await judge(refusing, ceo)).text, /^signed as example\.org/m);
  const unsigned = await judge(await folder("unsigned"), ceo, as);
  assert.match(unsigned.text, /^not signed, because alice@example\.org may not write as ceo@/m);
});

test("what a letter says does nothing to the terminal, told to people or to programs", async (context) => {
  const cwd = await folderWith(context, {});
  const from = 'From: "\u009b31m\u202e\u200bAlice" <alice@example.org>\n';
  const inbound = { outbound: false, to: "bob@example.org" };
  const told = await judge(cwd, from, { ...inbound, json: true });
  assert.ok(isVisible(told.text), told.text);
  assert.match(JSON.stringify(JSON.parse(told.text)), /\u202e/, "programs get it as it is");
  const shown = (await judge(cwd, from, inbound)).text;
  for (const line of shown.split("\n")) assert.ok(isVisible(line), line);
});
