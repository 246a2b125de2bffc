import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chown, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { type MailPeer, needsRoot, type PeerMail, type PeerOptions } from "./mail-peer.ts";
import { makePrivateRoot } from "./private-root.ts";
import { findProgram } from "./programs.ts";
import { waitUntil } from "./wait-until.ts";

/** The account is compiled into Debian's Exim, which asks for it before it reads a file. */
export const EXIM_ACCOUNT = { name: "Debian-exim", id: 9003 };

export function noExim(): string | false {
  return needsRoot(findProgram("exim4").skip);
}

/** Exim without a daemon: each call submits and delivers, or runs the queue, and ends. */
export async function startEximPeer(options: PeerOptions): Promise<MailPeer> {
  const folder = await mkdtemp(join(tmpdir(), "exim-"));
  const { path, env } = findProgram("exim4");
  const root = await makePrivateRoot(folder, [EXIM_ACCOUNT], env.LD_LIBRARY_PATH ?? "");
  const config = join(folder, "exim.conf");
  await writeFile(config, toConfig(folder, options), { mode: 0o644 });
  for (const name of ["queue", "log"]) await mkdir(join(folder, name));
  for (const name of [".", "queue", "log"])
    await chown(join(folder, name), EXIM_ACCOUNT.id, EXIM_ACCOUNT.id);
  const call = (args: readonly string[]) => root.wrap(path, ["-C", config, ...args]);
  const environment = { ...process.env, ...env };
  const log = () => readFile(join(folder, "log/main"), "utf8").catch(() => "");
  return {
    async submit({ from, to, message }: PeerMail) {
      const [command, ...args] = call(["-odi", "-oi", "-f", from, to]);
      const exim = spawn(command, args, { env: environment, stdio: ["pipe", "ignore", "pipe"] });
      // What is submitted on the machine itself has the line ends of the machine.
      exim.stdin.end(Buffer.from(message.toString("latin1").replaceAll("\r\n", "\n"), "latin1"));
      const [complaint, [code]] = await Promise.all([text(exim.stderr), once(exim, "exit")]);
      if (code !== 0) throw new Error(`exim exits with ${code}: ${complaint}\n${await log()}`);
    },
    async waitUntilKept() {
      let last = "";
      await waitUntil(
        () => `Exim has kept nothing: ${last}`,
        async () => {
          last = await log();
          return / == \S+@\S+ .*: 451 4\./.test(last) || undefined;
        },
      );
    },
    async retry() {
      const [command, ...args] = call(["-qff"]);
      await promisify(execFile)(command, args, { env: environment });
    },
    stop: () => rm(folder, { recursive: true, force: true }),
  };
}

function toConfig(folder: string, { gatewayPort, tls }: PeerOptions): string {
  return `primary_hostname = exim.friend.test
exim_path = ${findProgram("exim4").path}
exim_user = ${EXIM_ACCOUNT.name}
exim_group = ${EXIM_ACCOUNT.name}
spool_directory = ${join(folder, "queue")}
log_file_path = ${join(folder, "log/%s")}
trusted_users = root
keep_environment =
begin routers
gateway:
  driver = manualroute
  route_list = * 127.0.0.1
  transport = gateway
  self = send
begin transports
gateway:
  driver = smtp
  port = ${gatewayPort}
  ${tls ? "hosts_require_tls" : "hosts_avoid_tls"} = *
  tls_try_verify_hosts =
  tls_verify_certificates =
begin retry
* * F,1h,1m
`;
}
