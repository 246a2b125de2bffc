import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { loadCertificate, makeCertificate, ownCertificate } from "../../src/smtp/certificate.ts";

const NOW = Date.UTC(2026, 0, 1);
const DAY_MS = 86_400_000;

async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "certificate-"));
  await work(folder).finally(() => rm(folder, { recursive: true }));
}

test("the own certificate is for the host name, and the same after a restart", () =>
  withFolder(async (folder) => {
    const first = await ownCertificate("mx1.example.org", folder, NOW);
    assert.equal(new X509Certificate(first.cert).checkHost("mx1.example.org"), "mx1.example.org");
    assert.equal(first.selfSigned, true);
    assert.deepEqual(await ownCertificate("mx1.example.org", folder, NOW + DAY_MS), first);
    const other = await ownCertificate("mx2.example.org", folder, NOW);
    assert.notEqual(other.cert, first.cert);
  }));

test("nobody else can read the key", () =>
  withFolder(async (folder) => {
    await ownCertificate("mx1.example.org", folder, NOW);
    const { mode } = await stat(join(folder, "tls", "mx1.example.org.key.pem"));
    assert.equal(mode & 0o777, 0o600);
    assert.equal((await stat(join(folder, "tls"))).mode & 0o777, 0o700);
  }));

test("the own certificate is made anew before it ends", () =>
  withFolder(async (folder) => {
    const first = await ownCertificate("mx1.example.org", folder, NOW);
    const soon = first.expiresAt - 29 * DAY_MS;
    const second = await ownCertificate("mx1.example.org", folder, soon);
    assert.notEqual(second.cert, first.cert);
    assert(second.expiresAt > soon + 365 * DAY_MS);
  }));

test("a kept certificate that cannot be read is made anew", () =>
  withFolder(async (folder) => {
    await ownCertificate("mx1.example.org", folder, NOW);
    const cert = join(folder, "tls", "mx1.example.org.cert.pem");
    await writeFile(cert, "half a certifi");
    const made = await ownCertificate("mx1.example.org", folder, NOW);
    assert.deepEqual(await ownCertificate("mx1.example.org", folder, NOW), made);
    assert.equal((await readdir(join(folder, "tls"))).length, 2);
  }));

test("a host name never names a file elsewhere", () =>
  withFolder(async (folder) => {
    await ownCertificate("../../etc/mx", folder, NOW).catch(() => {});
    assert.deepEqual(await readdir(folder), ["tls"]);
  }));

test("a certificate of the operator is read, and whether anybody vouches for it", () =>
  withFolder(async (folder) => {
    const made = await makeCertificate("mx.example.org", NOW);
    const files = { cert: join(folder, "cert.pem"), key: join(folder, "key.pem") };
    await writeFile(files.cert, made.cert);
    await writeFile(files.key, made.key);
    assert.deepEqual(await loadCertificate(files), made);
  }));

test("a certificate and a key that do not belong together are refused by name", () =>
  withFolder(async (folder) => {
    const files = { cert: join(folder, "cert.pem"), key: join(folder, "key.pem") };
    await writeFile(files.cert, (await makeCertificate("mx.example.org", NOW)).cert);
    await writeFile(files.key, (await makeCertificate("mx.example.org", NOW)).key);
    await assert.rejects(loadCertificate(files), /cert\.pem.*key\.pem/);
    await writeFile(files.cert, "no certificate");
    await assert.rejects(loadCertificate(files), /cert\.pem/);
    await rm(files.cert);
    await assert.rejects(loadCertificate(files), /ENOENT/);
  }));
