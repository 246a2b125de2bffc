import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { findProgram } from "../support/programs.ts";
import { RawClient } from "../support/raw-client.ts";
import { createTestAuthority } from "../support/test-authority.ts";
import type { TestGateway } from "../support/test-gateway.ts";
import { waitUntil } from "../support/wait-until.ts";
import { withEdge } from "../support/with-edge.ts";

/** `openssl s_client -starttls smtp`: all that it says. */
function sClient(port: number, ...words: readonly string[]): Promise<string> {
  const openssl = findProgram("openssl")?.path ?? "openssl";
  const to = ["s_client", "-starttls", "smtp", "-connect", `127.0.0.1:${port}`];
  return new Promise((resolve) => {
    const options = { timeout: 10_000 };
    const child = execFile(openssl, [...to, ...words], options, (_error, out, err) =>
      resolve(out + err),
    );
    child.stdin?.end("QUIT\r\n");
  });
}

const withListeners = (listeners: readonly unknown[], work: (edge: TestGateway) => Promise<void>) =>
  withEdge({ settings: { listeners } }, work);

const FRONT = { name: "front", listen: "127.0.0.1:0", hostname: "mx.example.org" };

test("openssl speaks TLS 1.2 and 1.3 with us, and nothing older or weaker", () =>
  withListeners([FRONT], async (edge) => {
    const weak = ["-cipher", "ALL:@SECLEVEL=0"];
    for (const version of ["-tls1_2", "-tls1_3"])
      assert.match(await sClient(edge.port, version), /Cipher is (?!\(NONE\))/);
    for (const version of ["-tls1", "-tls1_1"])
      assert.match(await sClient(edge.port, version, ...weak), /Cipher is \(NONE\)/);
    for (const cipher of ["aNULL:@SECLEVEL=0", "kRSA:@SECLEVEL=0", "PSK:@SECLEVEL=0"])
      assert.match(await sClient(edge.port, "-tls1_2", "-cipher", cipher), /Cipher is \(NONE\)/);
    await edge.waitForLog("tls-handshake-failed", ({ reason }) => reason === "protocol");
    await edge.waitForLog("tls-handshake-failed", ({ reason }) => reason === "cipher");
  }));

test("of a client that goes away in the handshake the log says so, and no empty error", () =>
  withListeners([FRONT], async (edge) => {
    const client = await RawClient.open({ port: edge.port });
    await client.reply();
    await client.say("EHLO client.test");
    await client.say("STARTTLS");
    client.socket.destroy();
    const told = await edge.waitForLog("tls-handshake-failed");
    assert.deepEqual([told.reason, "error" in told && told.error], ["left", false]);
  }));

test("a listener shows the certificate of the name that is asked for, else its own", async () => {
  await using authority = await createTestAuthority();
  const own = await authority.issue("mx.example.org", { purpose: "serverAuth" });
  const other = await authority.issue("mail.example.net", { purpose: "serverAuth" });
  const tls = {
    cert: own.certFile,
    key: own.keyFile,
    also: [{ cert: other.certFile, key: other.keyFile }],
  };
  await withListeners([{ ...FRONT, tls }], async (edge) => {
    const shown = async (...words: readonly string[]) =>
      /subject=.*?CN ?= ?(\S+)/.exec(await sClient(edge.port, ...words))?.[1];
    assert.equal(await shown("-servername", "mail.example.net"), "mail.example.net");
    assert.equal(await shown("-servername", "mx.example.org"), "mx.example.org");
    assert.equal(await shown("-servername", "unknown.test"), "mx.example.org");
    assert.equal(await shown("-noservername"), "mx.example.org");
  });
});

for (const version of ["-tls1_2", "-tls1_3"]) {
  test(`a session (${version}) is resumed at no other listener, and at none that verifies clients`, async () => {
    await using authority = await createTestAuthority();
    const client = await authority.issue("relay.partner.test");
    const hub = { kind: "hub", tls: { clientCa: authority.certFile } };
    const listeners = [
      { ...FRONT, ...hub },
      { ...FRONT, name: "second", ...hub },
      { ...FRONT, name: "third" },
    ];
    await withListeners(listeners, async (edge) => {
      const [first, second, third] = edge.gateway.listeners.map(({ port }) => port);
      const file = join(authority.folder, `session${version}`);
      const shown = ["-cert", client.certFile, "-key", client.keyFile];
      const save = [version, "-sess_out", file];
      const resume = [version, "-sess_in", file];
      await sClient(first!, ...save, ...shown);
      for (const port of [first!, second!, third!]) {
        const said = await sClient(port, ...resume).catch(() => "");
        assert.doesNotMatch(said, /^Reused, /m);
      }
      const verified = edge.log.filter(({ event, outcome }) => {
        return event === "client-certificate" && outcome === "verified";
      });
      // In TLS 1.3 the client is done before we are, and may have left: then not even one.
      assert.ok(verified.length <= 1, `${verified.length} clients were taken for verified`);
    });
  });
}

test("certificates are swapped under load: half a pair never counts, and sessions live on", async () => {
  await using authority = await createTestAuthority();
  const before = await authority.issue("mx.example.org", { purpose: "serverAuth" });
  const after = await authority.issue("mx.example.org", { purpose: "serverAuth" });
  const tls = { cert: join(authority.folder, "live.pem"), key: join(authority.folder, "live.key") };
  await copyFile(before.certFile, tls.cert);
  await copyFile(before.keyFile, tls.key);
  const limits = { connections: { perClient: 500, newPerClientPerMinute: 5000 } };
  const listeners = [{ ...FRONT, tls }];
  await withEdge({ settings: { listeners }, policies: { limits } }, async (edge) => {
    const shake = async () => {
      const client = await RawClient.open({ port: edge.port });
      await client.reply();
      await client.say("STARTTLS");
      const socket = await client.secure();
      return { client, print: socket.getPeerX509Certificate()?.fingerprint256 ?? "" };
    };
    const old = await shake();
    const prints = new Set<string>();
    let stopped = false;
    const load = Array.from({ length: 4 }, async () => {
      while (!stopped) {
        const { client, print } = await shake();
        prints.add(print);
        client.destroy();
      }
    });
    await copyFile(after.certFile, tls.cert);
    await edge.gateway.reloadCertificates();
    await edge.waitForLog("certificate-rejected");
    const stillOld = await shake();
    assert.equal(stillOld.print, old.print);
    await copyFile(after.keyFile, tls.key);
    await edge.waitForLog("certificate-reloaded");
    const renewed = await waitUntil(
      () => "the new certificate is not shown",
      async () => {
        const { client, print } = await shake();
        client.destroy();
        return print === old.print ? undefined : print;
      },
    );
    stopped = true;
    await Promise.all(load);
    assert(prints.size <= 2 && [...prints].every((one) => one === old.print || one === renewed));
    assert.equal((await old.client.say("EHLO client.test")).code, 250);
    for (const { client } of [old, stillOld]) client.destroy();
  });
});
