import {
  chown,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EXIM_ACCOUNT } from "./exim-peer.ts";
import { findFreeTcpPort } from "./free-port.ts";
import { greets } from "./postfix-hub.ts";
import { makePrivateRoot } from "./private-root.ts";
import { findProgram } from "./programs.ts";
import { spawnTied } from "./tied-process.ts";
import { waitUntil } from "./wait-until.ts";

export interface EximHubOptions {
  /** Domains it takes mail for. */
  readonly domains: readonly string[];
  /** Default: 127.0.0.1, and a free port. */
  readonly host?: string;
  readonly port?: number;
  /** Addresses that get 550, and those that get 450. */
  readonly unknown?: readonly string[];
  readonly later?: readonly string[];
  /** STARTTLS with this certificate; else none. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
  /** Only whoever knows them gets in, by PLAIN or LOGIN inside TLS. */
  readonly auth?: { readonly user: string; readonly password: string };
}

export interface EximMessage {
  readonly sender: string;
  /** For whom this copy is, parted by ", ". */
  readonly recipients: string;
  readonly raw: string;
}

export interface EximHub {
  readonly host: string;
  readonly port: number;
  messages(): Promise<readonly EximMessage[]>;
  waitForMessages(count: number): Promise<readonly EximMessage[]>;
  /** Who came, from where, with which name, TLS and user: Exim's main log. */
  log(): Promise<string>;
  stop(): Promise<void>;
}

/** A real Exim as a mail server, with its own queue and mail folder. */
export async function startEximHub(options: EximHubOptions): Promise<EximHub> {
  const folder = await mkdtemp(join(tmpdir(), "exim-hub-"));
  const { host = "127.0.0.1", port = await findFreeTcpPort() } = options;
  const { path, env } = findProgram("exim4");
  const root = await makePrivateRoot(folder, [EXIM_ACCOUNT], env.LD_LIBRARY_PATH ?? "");
  const own = (name: string) => chown(join(folder, name), EXIM_ACCOUNT.id, EXIM_ACCOUNT.id);
  for (const name of ["queue", "log", "mail"]) await mkdir(join(folder, name));
  for (const name of [".", "queue", "log", "mail"]) await own(name);
  if (options.tls) {
    await copyFile(options.tls.certFile, join(folder, "cert.pem"));
    await copyFile(options.tls.keyFile, join(folder, "key.pem"));
    for (const name of ["cert.pem", "key.pem"]) await own(name);
  }
  const config = join(folder, "exim.conf");
  await writeFile(config, toConfig(folder, { ...options, host, port }), { mode: 0o644 });
  const [command, ...args] = root.wrap(path, ["-C", config, "-bdf"]);
  const server = spawnTied(command, args, { env });
  const log = () => readFile(join(folder, "log/main"), "utf8").catch(() => "");
  const state = await waitUntil(
    () => `Exim does not greet: ${server.output()}`,
    async () => (server.hasEnded() ? "ended" : (await greets({ host, port })) || undefined),
  ).catch(() => "mute");
  if (state !== true) {
    await server.stop();
    throw new Error(`Exim ${state}: ${server.output()}\n${await log()}`);
  }
  const messages = () => readMessages(join(folder, "mail/new"));
  return {
    host,
    port,
    messages,
    async waitForMessages(count) {
      return waitUntil(
        () => `Exim has not got ${count} messages`,
        async () => {
          const all = await messages();
          return all.length >= count ? all : undefined;
        },
      );
    },
    log,
    async stop() {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function readMessages(folder: string): Promise<readonly EximMessage[]> {
  const names = await readdir(folder).catch(() => []);
  const texts = await Promise.all(
    names.sort().map((name) => readFile(join(folder, name), "latin1")),
  );
  return texts.map((raw) => {
    const field = (name: string) =>
      new RegExp(`^${name}: <?([^>\n]*)>?$`, "m").exec(raw)?.[1] ?? "";
    return { sender: field("Return-path"), recipients: field("Envelope-to"), raw };
  });
}

type Placed = EximHubOptions & { readonly host: string; readonly port: number };

function toConfig(folder: string, options: Placed): string {
  const { host, port, domains, auth, unknown = [], later = [] } = options;
  const list = (items: readonly string[]) => items.join(" : ");
  return `primary_hostname = exim.hub.test
exim_path = ${findProgram("exim4").path}
exim_user = ${EXIM_ACCOUNT.name}
exim_group = ${EXIM_ACCOUNT.name}
spool_directory = ${join(folder, "queue")}
log_file_path = ${join(folder, "log/%s")}
log_selector = +smtp_connection +tls_peerdn
local_interfaces = ${host}
daemon_smtp_ports = ${port}
keep_environment =
check_spool_space = 0
check_spool_inodes = 0
smtp_accept_queue_per_connection = 0
rfc1413_query_timeout = 0s
message_size_limit = 50M
domainlist ours = ${list(domains)}
${toTls(folder, options)}
acl_smtp_rcpt = rcpt
acl_smtp_data = data
begin acl
rcpt:
${auth ? "  require message = 5.7.1 who are you\n    authenticated = *\n" : ""}
  deny message = 5.1.1 nobody of that name
    recipients = ${list(unknown)}
  defer message = 4.2.1 come again
    recipients = ${list(later)}
  accept domains = +ours
  deny message = 5.7.1 not ours
data:
  accept
begin routers
all:
  driver = accept
  transport = keep
begin transports
keep:
  driver = appendfile
  directory = ${join(folder, "mail")}
  maildir_format
  user = ${EXIM_ACCOUNT.name}
  envelope_to_add
  return_path_add
  batch_max = 1
begin retry
* * F,1h,1m
begin authenticators
${auth ? toAuthenticators(auth) : ""}
`;
}

function toTls(folder: string, { tls }: EximHubOptions): string {
  if (!tls) return "tls_advertise_hosts =";
  return `tls_advertise_hosts = *
tls_certificate = ${join(folder, "cert.pem")}
tls_privatekey = ${join(folder, "key.pem")}`;
}

function toAuthenticators({ user, password }: NonNullable<EximHubOptions["auth"]>): string {
  const is = (name: string, pass: string) =>
    `\${if and{{eq{$${name}}{${user}}}{eq{$${pass}}{${password}}}}}`;
  return `plain:
  driver = plaintext
  public_name = PLAIN
  server_advertise_condition = \${if def:tls_in_cipher}
  server_prompts = :
  server_condition = ${is("auth2", "auth3")}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_advertise_condition = \${if def:tls_in_cipher}
  server_prompts = Username:: : Password::
  server_condition = ${is("auth1", "auth2")}
  server_set_id = $auth1`;
}
