import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { findFreeTcpPort } from "./free-port.ts";
import { type MailPeer, needsRoot, type PeerOptions } from "./mail-peer.ts";
import { makePrivateRoot } from "./private-root.ts";
import { findProgram, peerFolder } from "./programs.ts";
import { sendMail } from "./send-mail.ts";
import { spawnTied } from "./tied-process.ts";
import { waitUntil } from "./wait-until.ts";

const QUEUE_GROUP = 9002;
const ACCOUNTS = [
  { name: "opensmtpd", id: 9001 },
  { name: "opensmtpq", id: QUEUE_GROUP },
];

export function noOpenSmtpd(): string | false {
  return needsRoot(findProgram("smtpd").skip);
}

/** OpenSMTPD with its places under /var in a folder of its own; it takes mail on a port. */
export async function startOpenSmtpdPeer(options: PeerOptions): Promise<MailPeer> {
  const folder = await mkdtemp(join(tmpdir(), "opensmtpd-"));
  await chmod(folder, 0o755);
  const { path, env } = findProgram("smtpd");
  const root = await makePrivateRoot(folder, ACCOUNTS, env.LD_LIBRARY_PATH ?? "");
  await mkdir(join(folder, "spool/smtpd"), { mode: 0o711 });
  await mkdir(join(folder, "lib/opensmtpd/empty"), { recursive: true, mode: 0o755 });
  const port = await findFreeTcpPort();
  const config = join(folder, "smtpd.conf");
  await writeFile(config, toConfig(port, options), { mode: 0o644 });
  const [command, ...args] = root.wrap(path, ["-d", "-v", "-f", config]);
  const server = spawnTied(command, args, { env });
  const said = (word: RegExp) => () => {
    if (server.hasEnded()) throw new Error(`OpenSMTPD has ended: ${server.output()}`);
    return word.test(server.output()) || undefined;
  };
  await waitUntil(() => `OpenSMTPD does not start: ${server.output()}`, said(/listen on/));
  return {
    async submit({ from, to, message }) {
      const parameters = "BODY=8BITMIME";
      const { final } = await sendMail({ port, from, to: [to], message, parameters });
      if (final?.code !== 250) throw new Error(`OpenSMTPD refuses: ${final?.text}`);
    },
    async waitUntilKept() {
      const kept = said(/result="?TempFail/);
      await waitUntil(() => `OpenSMTPD has kept nothing: ${server.output()}`, kept);
    },
    async retry() {
      const control = join(peerFolder("opensmtpd"), "usr/sbin/smtpctl");
      // It runs only in the group that its package would have made it setgid to.
      const group = ["--regid", String(QUEUE_GROUP), "--clear-groups"];
      const [command, ...args] = root.wrap("setpriv", [...group, control, "schedule", "all"]);
      await promisify(execFile)(command, args, { env: { ...process.env, ...env } });
    },
    async stop() {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function toConfig(port: number, { gatewayPort, tls }: PeerOptions): string {
  const scheme = tls ? "smtp+tls" : "smtp+notls";
  const options = tls ? "tls no-verify " : "";
  return `listen on 127.0.0.1 port ${port} hostname opensmtpd.friend.test
action "gateway" relay host ${scheme}://127.0.0.1:${gatewayPort} ${options}helo opensmtpd.friend.test
match from any for any action "gateway"
`;
}
