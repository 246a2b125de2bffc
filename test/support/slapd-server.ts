import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { findFreeTcpPort } from "./free-port.ts";
import { findProgram } from "./programs.ts";
import { createTestAuthority } from "./test-authority.ts";
import { spawnTied, type TiedProcess } from "./tied-process.ts";
import { waitUntil } from "./wait-until.ts";

const run = promisify(execFile);
/** A port that was free a moment ago may be taken: then others. */
const PORT_TRIES = 5;

export const SLAPD_BASE = "dc=example,dc=org";
/** May read all, within the limits. */
export const SLAPD_READER = `cn=reader,${SLAPD_BASE}`;
export const SLAPD_PASSWORD = "secret";

export interface SlapdPerson {
  readonly name: string;
  readonly mail?: string;
  readonly proxyAddresses?: readonly string[];
}

export interface SlapdOptions {
  readonly people: readonly SlapdPerson[];
  /** As slapd.conf has it; default: 50 entries in one answer, all of them in pages. */
  readonly sizeLimit?: string;
}

export interface SlapdServer extends AsyncDisposable {
  /** With the name that its certificate has. */
  readonly ldaps: string;
  readonly ldap: string;
  readonly port: number;
  /** The same server under a name that its certificate lacks. */
  readonly misnamed: string;
  readonly caFile: string;
}

/** For `test(title, { skip: noSlapd() }, ...)`. */
export const noSlapd = (): string | false =>
  findProgram("slapd").skip || findProgram("openssl").skip;

/** A real slapd with an attribute of Active Directory; resolves once it answers. */
export async function startSlapd(options: SlapdOptions): Promise<SlapdServer> {
  const folder = await mkdtemp(join(tmpdir(), "slapd-"));
  const authority = await createTestAuthority();
  const { certFile, keyFile } = await authority.issue("localhost", { purpose: "serverAuth" });
  await mkdir(join(folder, "db"));
  const config = join(folder, "slapd.conf");
  await writeFile(config, toConfig(folder, certFile, keyFile, options));
  await writeFile(join(folder, "all.ldif"), toLdif(options.people));
  const { path } = findProgram("slapd");
  await run(path, ["-Ta", "-f", config, "-l", join(folder, "all.ldif")], { cwd: folder });
  const { server, plain, secure } = await startOnFreePorts(path, config);
  return {
    ldap: `ldap://localhost:${plain}`,
    port: plain,
    ldaps: `ldaps://localhost:${secure}`,
    misnamed: `ldaps://127.0.0.1:${secure}`,
    caFile: authority.certFile,
    async [Symbol.asyncDispose]() {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
      await authority[Symbol.asyncDispose]();
    },
  };
}

function toConfig(folder: string, cert: string, key: string, { sizeLimit }: SlapdOptions): string {
  return `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
attributetype ( 1.2.840.113556.1.2.210 NAME 'proxyAddresses'
  EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
objectclass ( 1.3.6.1.4.1.32473.1.1 NAME 'mailboxOwner' SUP top AUXILIARY MAY proxyAddresses )
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile ${folder}/slapd.pid
TLSCertificateFile ${cert}
TLSCertificateKeyFile ${key}
sizelimit ${sizeLimit ?? "size.soft=50 size.hard=50 size.pr=unlimited size.prtotal=unlimited"}
database mdb
suffix "${SLAPD_BASE}"
directory ${folder}/db
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="${SLAPD_READER}" read by * none
`;
}

function toLdif(people: readonly SlapdPerson[]): string {
  const entries = people.map(({ name, mail, proxyAddresses = [] }) =>
    [
      `dn: cn=${name},${SLAPD_BASE}`,
      "objectClass: inetOrgPerson",
      "objectClass: mailboxOwner",
      `cn: ${name}`,
      `sn: ${name}`,
      ...(mail === undefined ? [] : [`mail: ${mail}`]),
      ...proxyAddresses.map((value) => `proxyAddresses:: ${Buffer.from(value).toString("base64")}`),
    ].join("\n"),
  );
  const root = `dn: ${SLAPD_BASE}\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: x`;
  const reader = [
    `dn: ${SLAPD_READER}`,
    "objectClass: organizationalRole",
    "objectClass: simpleSecurityObject",
    "cn: reader",
    `userPassword: ${SLAPD_PASSWORD}`,
  ].join("\n");
  return `${[root, reader, ...entries].join("\n\n")}\n`;
}

async function startOnFreePorts(
  path: string,
  config: string,
): Promise<{ server: TiedProcess; plain: number; secure: number }> {
  for (let attempt = 1; ; attempt++) {
    const [plain, secure] = [await findFreeTcpPort(), await findFreeTcpPort()];
    const urls = `ldap://127.0.0.1:${plain}/ ldaps://127.0.0.1:${secure}/`;
    // With a level it stays in the foreground.
    const server = spawnTied(path, ["-d", "0", "-f", config, "-h", urls]);
    const ready = await waitUntil(
      () => `slapd does not answer: ${server.output()}`,
      async () => (server.hasEnded() ? "ended" : (await answers(secure)) || undefined),
      60_000,
    );
    if (ready !== "ended") return { server, plain, secure };
    if (attempt === PORT_TRIES) throw new Error(`slapd ended: ${server.output()}`);
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
