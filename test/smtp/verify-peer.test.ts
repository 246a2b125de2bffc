import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { type TestContext, test } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { createSilentLog } from "../../src/base/log.ts";
import { makeCertificate } from "../../src/smtp/certificate.ts";
import { createSmtpConnector } from "../../src/smtp/nodemailer-client.ts";
import type { TlsDemand } from "../../src/smtp/remote-tls.ts";
import type { ConnectHow, ConnectResult } from "../../src/smtp/smtp-client.ts";
import { keyFingerprint, verifyPeer } from "../../src/smtp/verify-peer.ts";
import { afterwards } from "../support/afterwards.ts";
import { type ScriptedHub, startScriptedHub } from "../support/scripted-hub.ts";

const NEVER = new AbortController().signal;
const DAY_MS = 86_400_000;

async function hubOf(t: TestContext, name: string, madeAt = Date.now()) {
  const identity = await makeCertificate(name, madeAt);
  const hub = await startScriptedHub({ identity });
  afterwards(t, () => hub.close());
  return { hub, cert: new X509Certificate(identity.cert), pem: identity.cert };
}

async function meet(hub: ScriptedHub, how: ConnectHow): Promise<ConnectResult> {
  const connector = createSmtpConnector({
    clock: createSystemClock(),
    log: createSilentLog(),
    hostname: "mx.example.org",
    resolveHost: async () => [hub.host],
  });
  const result = await connector.connect({ host: "hub.test", port: hub.port }, how, NEVER);
  if (result.kind === "connected") result.connection.close();
  else assert.ok(!hub.lines.some((line) => line.startsWith("MAIL")));
  return result;
}

function fault(result: ConnectResult): string | undefined {
  assert.ok(result.kind === "failed", JSON.stringify(result));
  return result.tlsFault;
}

function proof(result: ConnectResult): string {
  assert.ok(result.kind === "connected", JSON.stringify(result));
  return `${result.connection.tls?.verified} ${result.connection.tls?.match}`;
}

const pins = (...prints: string[]): ConnectHow => ({ tls: { kind: "pinned", pins: prints } });

test("a pin is the fingerprint of the certificate or of its key, and nothing else counts", async (t) => {
  const { hub, cert } = await hubOf(t, "somebody.else.test", Date.now() - 2000 * DAY_MS);
  const print = cert.fingerprint256.replaceAll(":", "").toLowerCase();
  const other = "0".repeat(64);
  assert.equal(proof(await meet(hub, pins(other, print))), `pin ${print}`);
  assert.equal(proof(await meet(hub, pins(keyFingerprint(cert)))), `pin ${keyFingerprint(cert)}`);
  assert.equal(fault(await meet(hub, pins(other))), "pin");
  assert.equal(fault(await meet(hub, pins())), "pin");
});

test("a certificate that is verified must be in time, from a trusted authority, for a name", async (t) => {
  const { hub, pem } = await hubOf(t, "hub.test");
  const old = await hubOf(t, "hub.test", Date.now() - 2000 * DAY_MS);
  const verified = (ca: string | undefined, ...names: string[]): ConnectHow => ({
    tls: { kind: "verified", names, ...(ca !== undefined && { ca }) },
  });
  assert.equal(proof(await meet(hub, verified(pem, "other.test", "hub.test"))), "ca hub.test");
  assert.equal(fault(await meet(hub, verified(pem, "test"))), "certificate-name");
  assert.equal(fault(await meet(hub, verified(pem))), "certificate-name");
  assert.equal(fault(await meet(hub, verified(undefined, "hub.test"))), "certificate-untrusted");
  assert.equal(fault(await meet(hub, verified(old.pem, "hub.test"))), "certificate-untrusted");
  assert.equal(fault(await meet(old.hub, verified(old.pem, "hub.test"))), "certificate-expired");
});

test("a common name is no name, and a wildcard stands for one label", async () => {
  const { cert: wild } = await makeCertificate("*.hub.test", Date.now());
  const judge = (pem: string, name: string) =>
    verifyPeer(
      { chain: [new X509Certificate(pem)], chainError: null },
      { kind: "verified", names: [name] },
    ).kind;
  assert.equal(judge(wild, "a.hub.test"), "fits");
  assert.equal(judge(wild, "a.b.hub.test"), "refused");
  assert.equal(judge(wild, "hub.test"), "refused");
  // The subject of this one is CN=*.hub.test as well; its alternative name is what counts.
  assert.equal(judge(wild, "*.hub.test"), "fits");
});

test("a peer that shows nothing fits no demand that asks who it is", () => {
  const nobody = { chain: [], chainError: null };
  const demands: readonly TlsDemand[] = [
    { kind: "verified", names: ["hub.test"] },
    { kind: "pinned", pins: [""] },
    { kind: "dane", names: [], records: [] },
  ];
  for (const demand of demands) assert.equal(verifyPeer(nobody, demand).kind, "refused");
  assert.equal(verifyPeer(nobody, { kind: "required" }).kind, "fits");
});

test("our certificate is shown when we have one, and our name is said in EHLO", async (t) => {
  const { hub } = await hubOf(t, "hub.test");
  const own = await makeCertificate("edge.example.org", Date.now());
  const identity = { cert: own.cert, key: own.key };
  const how = { tls: { kind: "required" }, identity, ehlo: "out.example.org" } as const;
  assert.equal((await meet(hub, how)).kind, "connected");
  assert.deepEqual(hub.shown, [new X509Certificate(own.cert).fingerprint256]);
  assert.ok(hub.lines.includes("EHLO out.example.org"));
  assert.equal((await meet(hub, { tls: { kind: "required" } })).kind, "connected");
  assert.equal(hub.shown.length, 1);
  const evil = await meet(hub, { tls: { kind: "none" }, ehlo: "x\r\nMAIL FROM:<>" });
  assert.equal(evil.kind, "failed");
});

test("a connection comes from our source address, and none is made from another family", async (t) => {
  const { hub } = await hubOf(t, "hub.test");
  const from = (...localAddresses: string[]) =>
    meet(hub, { tls: { kind: "none" }, localAddresses });
  assert.equal((await from("127.0.0.77")).kind, "connected");
  assert.equal((await from("::1", "127.0.0.78")).kind, "connected");
  assert.deepEqual(hub.clients, ["127.0.0.77", "127.0.0.78"]);
  const other = await from("::1");
  assert.ok(other.kind === "failed");
  assert.match(other.reason, /family of our source address/);
});
