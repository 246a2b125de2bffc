import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { keyFingerprint } from "../../src/smtp/verify-peer.ts";
import { type EximHub, startEximHub } from "../support/exim-hub.ts";
import { noExim } from "../support/exim-peer.ts";
import { noPostfix, startPostfixHub } from "../support/postfix-hub.ts";
import { findProgram } from "../support/programs.ts";
import { SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import {
  createTestAuthority,
  type IssuedCertificate,
  type TestAuthority,
} from "../support/test-authority.ts";
import { type LogLine, startTestGateway, type TestGateway } from "../support/test-gateway.ts";

/**
 * One gateway before real servers: Postfix with a certificate for hub.test, one without TLS, one
 * that wants to see a certificate, and Exim that wants a password. A domain, with a connector of its
 * own, for each way to meet them.
 */
const skip = noPostfix() || noExim() || findProgram("openssl").skip;

const PASSWORD = "open sesame";
const cleanUp = new AsyncDisposableStack();
let edge: TestGateway;
let exim: EximHub;

interface Servers {
  readonly good: number;
  readonly bare: number;
  readonly strict: number;
  readonly exim: number;
}

interface Proofs {
  readonly ours: TestAuthority;
  readonly theirs: TestAuthority;
  readonly server: IssuedCertificate;
  readonly client: IssuedCertificate;
  readonly stranger: IssuedCertificate;
}

before(async () => {
  if (skip) return;
  const [ours, theirs] = [await createTestAuthority(), await createTestAuthority("Other CA")];
  cleanUp.use(ours);
  cleanUp.use(theirs);
  const proofs: Proofs = {
    ours,
    theirs,
    server: await ours.issue("hub.test", { purpose: "serverAuth" }),
    client: await ours.issue("edge.example.org"),
    stranger: await theirs.issue("edge.example.org"),
  };
  const servers = await startServers(proofs);
  const connectors = await connectorsFor(servers, proofs);
  const names = Object.keys(connectors);
  const domains = Object.fromEntries(names.map((name) => [`${name}.test`, { verify: "off" }]));
  const routing = { connectors };
  edge = await startTestGateway({
    hubPort: 9,
    policies: { domains: { domains }, routing, dnsbl: { lists: [] } },
    settings: { hosts: { "hub.test": "127.0.0.1", "other.test": "127.0.0.1" } },
  });
  cleanUp.defer(() => edge.remove());
});
after(() => cleanUp.disposeAsync());

async function startServers({ ours, server }: Proofs): Promise<Servers> {
  const tls = {
    smtpd_tls_security_level: "may",
    smtpd_tls_cert_file: server.certFile,
    smtpd_tls_key_file: server.keyFile,
  };
  const domains = ["test"];
  const accept = { virtual_mailbox_domains: "static:all" };
  const [good, bare, strict] = await Promise.all([
    startPostfixHub({ domains, main: { ...accept, ...tls } }),
    startPostfixHub({ domains, main: accept }),
    startPostfixHub({
      domains,
      main: {
        ...accept,
        ...tls,
        smtpd_tls_security_level: "encrypt",
        smtpd_tls_req_ccert: "yes",
        smtpd_tls_CAfile: ours.certFile,
      },
    }),
  ]);
  for (const hub of [good, bare, strict]) cleanUp.defer(() => hub.stop());
  exim = await startEximHub({
    domains: ["*"],
    tls: server,
    auth: { user: "edge", password: PASSWORD },
  });
  cleanUp.defer(() => exim.stop());
  return { good: good.port, bare: bare.port, strict: strict.port, exim: exim.port };
}

type Connectors = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

async function connectorsFor(servers: Servers, proofs: Proofs): Promise<Connectors> {
  const { ours, theirs, server, client, stranger } = proofs;
  const secret = async (name: string, text: string) => {
    const path = join(ours.folder, name);
    await writeFile(path, `${text}\n`, { mode: 0o600 });
    return path;
  };
  const at = (name: string, port: number) => ({ smarthosts: [`${name}:${port}`] });
  const good = at("hub.test", servers.good);
  const bare = at("hub.test", servers.bare);
  const strict = { ...at("hub.test", servers.strict), ca: ours.certFile };
  const authed = { ...at("hub.test", servers.exim), tls: "verified", ca: ours.certFile };
  const right = await secret("right", PASSWORD);
  const wrong = await secret("wrong", "open barley");
  const spki = keyFingerprint(new X509Certificate(server.cert));
  const pair = ({ certFile, keyFile }: IssuedCertificate) => ({ cert: certFile, key: keyFile });
  const ways: Connectors = {
    none: { ...good, tls: "none" },
    opportunistic: good,
    "opportunistic-bare": bare,
    required: { ...good, tls: "required" },
    "required-bare": { ...bare, tls: "required" },
    verified: { ...good, tls: "verified", ca: ours.certFile },
    "verified-by-name": {
      ...at("other.test", servers.good),
      tls: "verified",
      ca: ours.certFile,
      names: ["hub.test"],
    },
    "verified-other-name": {
      ...at("other.test", servers.good),
      tls: "verified",
      ca: ours.certFile,
    },
    "verified-other-ca": { ...good, tls: "verified", ca: theirs.certFile },
    "verified-bare": { ...bare, tls: "verified", ca: ours.certFile },
    pinned: { ...good, tls: "pinned", pins: [server.fingerprint256] },
    "pinned-key": { ...at("other.test", servers.good), tls: "pinned", pins: [spki] },
    "pinned-other": { ...good, tls: "pinned", pins: ["0".repeat(64)] },
    mutual: { ...strict, tls: "mutual", ...pair(client) },
    "mutual-stranger": { ...strict, tls: "mutual", ...pair(stranger) },
    // By another name: what the one before did makes the server rest for a moment.
    "mutual-nothing": {
      ...strict,
      ...at("other.test", servers.strict),
      tls: "verified",
      names: ["hub.test"],
    },
    auth: {
      ...authed,
      auth: { user: "edge", passwordFile: right },
      sourceAddress: "127.0.0.9",
      ehlo: "out.example.org",
    },
    "auth-wrong": { ...authed, auth: { user: "edge", passwordFile: wrong } },
  };
  return Object.fromEntries(
    Object.entries(ways).map(([name, way]) => [name, { domains: [`${name}.test`], ...way }]),
  );
}

async function fateOf(name: string): Promise<LogLine> {
  const sent = await sendMail({ port: edge.port, to: [`a@${name}.test`], message: SIMPLE_MESSAGE });
  assert.equal(sent.final?.code, 250, sent.final?.text ?? "no answer");
  const isFate = (line: LogLine) => line.event === "delivered" || line.event === "deferred";
  await edge.waitForLog("decided", (line) => line.id === sent.id);
  const fate = edge.log.find((line) => line.id === sent.id && isFate(line));
  assert.ok(fate, JSON.stringify(edge.log.slice(-3)));
  return fate;
}

interface Proved {
  readonly protocol: string;
  readonly verified: string;
  readonly match?: string;
}

for (const [name, verified] of [
  ["opportunistic", "no"],
  ["required", "no"],
  ["verified", "ca"],
  ["verified-by-name", "ca"],
  ["pinned", "pin"],
  ["pinned-key", "pin"],
  ["mutual", "ca"],
] as const) {
  test(`${name}: mail goes over TLS, and how the server proved itself is told`, {
    skip,
  }, async () => {
    const fate = await fateOf(name);
    assert.equal(fate.event, "delivered", JSON.stringify(fate));
    const tls = fate.tls as Proved;
    assert.match(tls.protocol, /^TLSv1\.[23]$/);
    assert.equal(tls.verified, verified);
    if (verified === "ca") assert.equal(tls.match, "hub.test");
  });
}

for (const name of ["none", "opportunistic-bare"]) {
  test(`${name}: mail goes in the clear, and that is told`, { skip }, async () => {
    const fate = await fateOf(name);
    assert.deepEqual([fate.event, fate.tls], ["delivered", null]);
  });
}

for (const [name, reason] of [
  ["required-bare", /STARTTLS/],
  ["verified-bare", /STARTTLS/],
  ["verified-other-name", /other altnames than other\.test: DNS:hub\.test/],
  ["verified-other-ca", /authority of the certificate is not trusted/],
  ["pinned-other", /not one of those pinned/],
  ["mutual-stranger", /Client certificate not trusted/],
  ["mutual-nothing", /No client certificate presented/],
  ["auth-wrong", /refuses our user: 535/],
] as const) {
  test(`${name}: mail is kept, with the reason`, { skip }, async () => {
    const fate = await fateOf(name);
    assert.equal(fate.event, "deferred", JSON.stringify(fate));
    assert.match(String(fate.reply), reason);
  });
}

test("a smarthost that wants to know us sees our user, name and address", { skip }, async () => {
  const fate = await fateOf("auth");
  assert.equal(fate.event, "delivered", JSON.stringify(fate));
  const log = await exim.log();
  assert.match(log, /H=\(?out\.example\.org\)? \[127\.0\.0\.9\].* X=TLS1\.[23].* A=plain:edge/);
});

test("no password is ever logged", { skip }, () => {
  const all = JSON.stringify(edge.log);
  for (const secret of [PASSWORD, "open barley"])
    for (const text of [secret, Buffer.from(`\0edge\0${secret}`).toString("base64")])
      assert.ok(!all.includes(text));
});
