import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findFreeTcpPort } from "./free-port.ts";
import { makeCertificate, toTlsa } from "./made-certificate.ts";
import { type NsdServer, noNsd, startNsd } from "./nsd-server.ts";
import { type PolicyHost, startPolicyHost } from "./policy-host.ts";
import { noPostfix, type PostfixHub, startPostfixHub } from "./postfix-hub.ts";
import { type ScriptedHub, startScriptedHub } from "./scripted-hub.ts";
import { noSigner, signZone } from "./sign-zone.ts";
import { startTestGateway, type TestGateway } from "./test-gateway.ts";
import { noUnbound, startUnbound } from "./unbound-server.ts";

/**
 * The internet on this machine: NSD has a signed zone and another one, Unbound validates, Postfix on
 * 127.0.0.2 is the mail server of them all, one on 127.0.0.3 has lost its STARTTLS, and one address
 * has the policies of MTA-STS. Mail leaves through a hub listener.
 */
export const skip = noNsd() || noUnbound() || noSigner() || noPostfix();

/** The certificate is for these, and below the test's authority. */
const CERTIFIED = ["mx.signed.test", "mx-ta.signed.test", "mx.plain.test"];
/** In 127/8 and unlikely to be in use: policies of MTA-STS are at port 443. */
const POLICY_ADDRESS = `127.${20 + (process.pid % 200)}.4.43`;

const SIGNED = [
  "match",
  "mismatch",
  "ta",
  "ta-name",
  "unusable",
  "forged",
  "stripped",
  "alias",
  "alias-mismatch",
  "alias-leaving",
];
export const PLAIN = [
  "enforce",
  "enforce-name",
  "enforce-mx",
  "enforce-stripped",
  "testing",
  "nothing",
];
export const domainOf = (name: string) =>
  `${name}.${SIGNED.includes(name) ? "signed" : "plain"}.test`;

export interface Internet {
  readonly postfix: PostfixHub;
  readonly stripped: ScriptedHub;
  readonly policies: PolicyHost;
  readonly folder: string;
  start(workers: number): Promise<TestGateway>;
}

export const cleanUp = new AsyncDisposableStack();

export async function buildInternet(): Promise<Internet> {
  const folder = await mkdtemp(join(tmpdir(), "postern-tls-"));
  cleanUp.defer(() => rm(folder, { recursive: true, force: true }));
  const port = await findFreeTcpPort();
  const authority = await makeCertificate("Test CA", { isAuthority: true });
  const own = await makeCertificate("mx", { by: authority, names: CERTIFIED });
  const file = async (name: string, text: string) => {
    await writeFile(join(folder, name), text);
    return join(folder, name);
  };
  const ca = await file("ca.pem", authority.cert);
  const postfix = await startPostfixHub({
    host: "127.0.0.2",
    port,
    domains: [...SIGNED, ...PLAIN].map(domainOf),
    main: {
      smtpd_tls_security_level: "may",
      smtpd_tls_cert_file: await file("chain.pem", `${own.cert}\n${authority.cert}\n`),
      smtpd_tls_key_file: await file("key.pem", own.key),
    },
  });
  cleanUp.defer(() => postfix.stop());
  const stripped = await startScriptedHub({ host: "127.0.0.3", port });
  cleanUp.defer(() => stripped.close());
  const dns = await serveNames(port, { own, authority });
  const policies = await servePolicies(authority);
  const hosts = Object.fromEntries(
    PLAIN.map((name) => [`mta-sts.${domainOf(name)}`, POLICY_ADDRESS]),
  );
  const start = (workers: number) =>
    startTestGateway({
      folder,
      hubPort: 9,
      policies: {
        routing: {
          connectors: {
            hub: { domains: ["example.org"], smarthosts: ["127.0.0.1:9"] },
            internet: { domains: ["*"], mx: true, port },
          },
        },
      },
      settings: {
        workers,
        authorities: ca,
        listeners: [{ name: "inside", kind: "hub", listen: "127.0.0.1:0", from: ["127.0.0.0/8"] }],
        dns: { servers: [dns], timeoutMs: 10_000, validates: true },
        hosts,
      },
    });
  return { postfix, stripped, policies, folder, start };
}

type Certificates = Record<"own" | "authority", Awaited<ReturnType<typeof makeCertificate>>>;

function signedZone(port: number, { own, authority }: Certificates): string {
  const at = (host: string) => `_${port}._tcp.${host}`;
  const tlsa = (host: string, usage: number, of = own) => {
    const { data } = toTlsa(of, usage, 1, 1);
    return `${at(host)} TLSA ${usage} 1 1 ${data}`;
  };
  const hosts = ["mx", "mx-wrong", "mx-ta", "mx-ta-name", "mx-old", "mx-forged"];
  return [
    ...hosts.map((host) => `${host} A 127.0.0.2`),
    "mx-stripped A 127.0.0.3",
    "match MX 10 mx",
    tlsa("mx", 3),
    "mismatch MX 10 mx-wrong",
    tlsa("mx-wrong", 3, authority),
    "ta MX 10 mx-ta",
    tlsa("mx-ta", 2, authority),
    "ta-name MX 10 mx-ta-name",
    tlsa("mx-ta-name", 2, authority),
    "unusable MX 10 mx-old",
    tlsa("mx-old", 1),
    "forged MX 10 mx-forged",
    tlsa("mx-forged", 3),
    "stripped MX 10 mx-stripped",
    tlsa("mx-stripped", 3),
    // The records are of what the mail server is an alias of.
    "mx-alias CNAME mx",
    "alias MX 10 mx-alias",
    "mx-alias-wrong CNAME mx-wrong",
    "alias-mismatch MX 10 mx-alias-wrong",
    // It leads into a zone that is not signed: its own records count.
    "mx-leaving CNAME mx.plain.test.",
    tlsa("mx-leaving", 3, authority),
    "alias-leaving MX 10 mx-leaving",
  ].join("\n");
}

function plainZone(): string {
  const record = (name: string) => `_mta-sts.${name} TXT "v=STSv1; id=1"`;
  return [
    "mx A 127.0.0.2",
    "mx-other A 127.0.0.2",
    "mx-stripped A 127.0.0.3",
    "enforce MX 10 mx",
    "enforce-name MX 10 mx-other",
    "enforce-mx MX 10 mx",
    "enforce-stripped MX 10 mx-stripped",
    "testing MX 10 mx-other",
    "nothing MX 10 mx-other",
    ...PLAIN.filter((name) => name !== "nothing").map(record),
  ].join("\n");
}

async function serveNames(port: number, made: Certificates): Promise<string> {
  const anchors: string[] = [];
  const zones = { "signed.test": signedZone(port, made), "plain.test": plainZone() };
  const nsd: NsdServer = await startNsd(zones, async (zone, file, folder) => {
    if (zone !== "signed.test") return;
    anchors.push(await signZone(zone, file, folder));
    // Somebody on the way puts the key of another in place of the one that was signed.
    const text = await readFile(file, "utf8");
    const forged = new RegExp(`^(_${port}\\._tcp\\.mx-forged\\S*\\s.*TLSA\\s+3 1 1 ).*$`, "m");
    assert.match(text, forged);
    await writeFile(file, text.replace(forged, `$1${"00".repeat(32)}`));
  });
  cleanUp.defer(() => nsd.stop());
  const unbound = await startUnbound({
    zones: { "signed.test": nsd.address, "plain.test": nsd.address },
    anchors,
  });
  cleanUp.defer(() => unbound.stop());
  return unbound.address;
}

async function servePolicies(by: Certificates["authority"]): Promise<PolicyHost> {
  const hosts = PLAIN.map((name) => `mta-sts.${domainOf(name)}`);
  const identity = await makeCertificate("policies", { by, names: hosts });
  const policies = await startPolicyHost(identity, null, { host: POLICY_ADDRESS, port: 443 });
  cleanUp.defer(() => policies.close());
  const say = (name: string, mode: string, mx: string) => {
    const body = `version: STSv1\nmode: ${mode}\nmx: ${mx}.plain.test\nmax_age: 604800\n`;
    policies.say({ body }, `mta-sts.${domainOf(name)}`);
  };
  say("enforce", "enforce", "mx");
  say("enforce-name", "enforce", "mx-other");
  say("enforce-mx", "enforce", "mx-other");
  say("enforce-stripped", "enforce", "mx-stripped");
  say("testing", "testing", "mx-other");
  return policies;
}
