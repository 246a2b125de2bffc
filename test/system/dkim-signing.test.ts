import assert from "node:assert/strict";
import { chmod, readdir, readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { describeStory } from "../../src/cli/explain.ts";
import { noDkimpy, verifyWithDkimpy } from "../support/dkimpy.ts";
import { type NsdServer, noNsd, startNsd } from "../support/nsd-server.ts";
import { readSignatures } from "../support/read-signatures.ts";
import { asSent, type RewritingEdge, startRewritingEdge } from "../support/rewriting-edge.ts";
import { createKeyFiles, type KeyFiles } from "../support/signing-keys.ts";
import { waitUntil } from "../support/wait-until.ts";
import { storyOf } from "../support/with-edge.ts";

const skip = noNsd() || noDkimpy();
const REWRITING = { addresses: [{ internal: "corp.example.org", external: "example.org" }] };
const OWN = "j.doe@corp.example.org";
const RSA_AND_ED = ["pass example.org r1", "pass example.org e1"];

const DOMAINS = {
  "example.org": { verify: "off" },
  "corp.example.org": { verify: "off" },
  "spooled.test": { verify: "off", ack: "spool" },
};

let keys: KeyFiles;
let nsd: NsdServer;
let all: RewritingEdge;
let isAway = false;

/** A TXT record in the strings of at most 255 octets that a zone file wants. */
const txt = (text: string) => (text.match(/.{1,255}/g) ?? []).map((part) => `"${part}"`).join(" ");

before(async () => {
  if (skip) return;
  keys = await createKeyFiles();
  const rsa = await keys.make("r1.pem");
  const ed = await keys.make("e1.pem", "ed25519");
  const records = [
    `r1._domainkey TXT ${txt(rsa.record)}`,
    `r1._domainkey.mx TXT ${txt(rsa.record)}`,
    `e1._domainkey TXT ${txt(ed.record)}`,
  ];
  nsd = await startNsd({ "example.org": records.join("\n") });
  const pair = [
    { selector: "r1", file: rsa.file },
    { selector: "e1", file: ed.file },
  ];
  all = await startRewritingEdge({
    rewriting: REWRITING,
    dnsServer: nsd.address,
    world: {
      script: ({ step, line }) => {
        if (step === "rcpt" && line.includes("<gone@")) return "550 5.1.1 gone";
        return step === "dot" && isAway ? "451 4.3.0 later" : undefined;
      },
    },
    policies: {
      domains: { domains: DOMAINS },
      signing: { keys: { "example.org": pair, "mx.example.org": pair[0] }, expires: "30d" },
      limits: {
        connections: { newPerClientPerMinute: 10_000 },
        delivery: { retryFirstSeconds: 1, retryMaxSeconds: 1 },
      },
      dnsbl: { lists: [] },
    },
  });
});
after(async () => {
  if (skip) return;
  await all[Symbol.asyncDispose]();
  await nsd.stop();
  await keys[Symbol.asyncDispose]();
});

const letter = (more = "", body = "Hello\r\n") =>
  `From: "Doe, J."\r\n\t<${OWN}>\r\nTo: bob@friend.test\r\n${more}Subject: x\r\n\r\n${body}`;
const latest = (server: "inside" | "world") => all[server].messages.at(-1)!.data;

/** The entry of the one message in the spool, which moves between folders. */
async function findSpooled(): Promise<Buffer | undefined> {
  const spool = `${all.edge.folder}/data/spool`;
  const names = await readdir(spool, { recursive: true });
  for (const name of names) {
    const bytes = await readFile(`${spool}/${name}`).catch(() => null);
    if (bytes?.includes("DKIM-Signature:")) return bytes;
  }
  return undefined;
}

async function explain(id: string | null): Promise<string> {
  await all.edge.waitForLog("decided", (line) => line.id === id);
  return describeStory(await storyOf(all.edge, id)).join("\n");
}

describe("mail of ours leaves signed", { concurrency: false, skip }, () => {
  test("Postern and another verifier believe it, after the addresses were rewritten", async () => {
    const bodies: Readonly<Record<string, string>> = {
      plain: letter(),
      "8 bit": letter("Content-Type: text/plain; charset=utf-8\r\n", "Grüße\r\n"),
      "long lines": letter("", `${"y".repeat(998)}\r\n`),
      empty: letter("", ""),
      "dots, blanks and empty lines": letter("", ".\r\n..x \t \r\n\r\n  \r\n\r\n"),
      "fields twice": letter("To: ann@friend.test\r\nReceived: by inside\r\n"),
      large: letter("", "0123456789 abcdefghijklmnop qrstuvwxyz\r\n".repeat(50_000)),
    };
    const got: Buffer[] = [];
    for (const [title, message] of Object.entries(bodies)) {
      const sent = await all.send({ from: OWN, to: ["bob@friend.test"], message });
      assert.equal(sent.final?.code, 250, title);
      got.push(latest("world"));
      assert.match(latest("world").toString(), /From: "Doe, J\."\r\n\t<j\.doe@example\.org>/);
      const { dkim } = await readSignatures(latest("world"), nsd.address);
      assert.deepEqual(dkim, RSA_AND_ED, title);
    }
    for (const [i, answer] of verifyWithDkimpy(got, nsd.address).entries())
      assert.deepEqual(answer.dkim, [true, true], Object.keys(bodies)[i] ?? "");
  });

  test("explain and the log say who signed", async () => {
    const sent = await all.send({ from: OWN, to: ["bob@friend.test"], message: letter() });
    assert.match(
      await explain(sent.id),
      /signed +as example\.org, selector r1 \(rsa-sha256\), as example\.org, selector e1 \(ed25519-sha256\)/,
    );
    const line = await all.edge.waitForLog("decided", ({ id }) => id === sent.id);
    assert.deepEqual(line.signing, ["signed example.org/r1 example.org/e1"]);
  });

  test("a message that is tried again has the signature that it had", async () => {
    const before = all.world.messages.length;
    isAway = true;
    const both = { from: OWN, to: ["bob@friend.test"], message: letter() };
    assert.match((await all.send(both)).final?.text ?? "", /^451 4\.3\.0 later/);
    // Taken by the spool before anybody is asked: from there it is tried.
    const sent = await all.send({ ...both, to: ["ann@spooled.test"] });
    assert.equal(sent.final?.code, 250);
    const kept = await waitUntil(() => "nothing is in the spool", findSpooled);
    isAway = false;
    await all.world.waitFor(() => all.world.messages.length > before, 60_000);
    assert.ok(kept.includes(latest("world")));
    assert.deepEqual((await readSignatures(latest("world"), nsd.address)).dkim, RSA_AND_ED);
  });

  test("mail of strangers with our domain in From is not signed, nor is what a hub forwards", async () => {
    const forged = letter().replace(OWN, "ann@example.org");
    const came = await all.receive({ from: "eve@evil.test", to: [OWN], message: forged });
    assert.equal(came.final?.code, 250);
    assert.doesNotMatch(latest("inside").toString(), /DKIM-Signature/);
    const forwarded = latest("inside").toString();
    const sent = await all.send({ from: OWN, to: ["bob@friend.test"], message: forwarded });
    assert.equal(sent.final?.code, 250);
    assert.doesNotMatch(latest("world").toString(), /DKIM-Signature/);
    assert.match(await explain(sent.id), /not signed +because it has come through this gateway/);
  });

  test("mail of authors whose domain has no key goes as it is, and explain says why", async () => {
    const message = letter().replace(OWN, "a@partner.test");
    const sent = await all.send({ from: OWN, to: ["bob@friend.test"], message });
    assert.equal(sent.final?.code, 250);
    assert.equal(asSent(latest("world")), message);
    assert.match(
      await explain(sent.id),
      /not signed +because there is no key for .* partner\.test/,
    );
  });

  test("bounces are signed for the host name, when there is a key for it", async () => {
    const before = all.inside.messages.length;
    const both = { from: OWN, to: ["gone@friend.test", "bob@friend.test"], message: letter() };
    // One is refused at the world, the other taken: the message is promised, and one gets a bounce.
    assert.equal((await all.send(both)).final?.code, 250);
    await all.inside.waitFor(() => all.inside.messages.length > before, 60_000);
    const bounce = latest("inside");
    assert.match(bounce.toString(), /^DKIM-Signature: .*\r\n[\s\S]*From: Mail Delivery System/);
    assert.deepEqual((await readSignatures(bounce, nsd.address)).dkim, ["pass mx.example.org r1"]);
  });

  test("a new key in the file signs from then on; one that others may read is refused", async () => {
    await keys.make("r1.pem");
    // Nobody asks for it: the file is watched.
    await all.edge.waitForLog("policy-reloaded");
    await all.send({ from: OWN, to: ["bob@friend.test"], message: letter() });
    const renewed = (await readSignatures(latest("world"), nsd.address)).dkim;
    assert.deepEqual(renewed, ["fail example.org r1", "pass example.org e1"]);
    await chmod(`${keys.folder}/e1.pem`, 0o640);
    await assert.rejects(
      all.edge.gateway.reloadPolicy(),
      /signing\.yaml:\d+:\d+ +keys\.example\.org\.1\.file: .*expected mode 0600, got 0640/,
    );
    await all.send({ from: OWN, to: ["bob@friend.test"], message: letter() });
    assert.deepEqual((await readSignatures(latest("world"), nsd.address)).dkim, renewed);
    await chmod(`${keys.folder}/e1.pem`, 0o600);
  });
});

test("with workers the gateways sign, and the service signs its bounces", { skip }, async () => {
  await using files = await createKeyFiles();
  const { file } = await files.make("k.pem", "ed25519");
  const key = { selector: "k1", file };
  await using several = await startRewritingEdge({
    rewriting: REWRITING,
    world: {
      script: ({ step, line }) =>
        step === "rcpt" && line.includes("<gone@") ? "550 5.1.1 gone" : undefined,
    },
    settings: {
      workers: 2,
      listeners: [
        { name: "internet", listen: "127.0.0.1:0" },
        { name: "inside", kind: "hub", listen: "127.0.0.1:0", from: ["127.0.0.0/8"] },
      ],
    },
    policies: {
      domains: { domains: DOMAINS },
      signing: { keys: { "example.org": key, "*.example.org": key } },
      dnsbl: { lists: [] },
    },
  });
  const to = ["gone@spooled.test", "ann@spooled.test"];
  const sent = await several.send({ from: OWN, to, message: letter() });
  assert.equal(sent.final?.code, 250);
  await several.world.waitForMessages(1, 60_000);
  await several.inside.waitForMessages(1, 60_000);
  const [bounce] = several.inside.messages;
  assert.equal(bounce?.sender, "");
  for (const { data } of [several.world.messages[0], bounce].filter((one) => one !== undefined))
    assert.match(data.toString(), /^DKIM-Signature: v=1; a=ed25519-sha256;[^:]* d=example\.org;/);
});
