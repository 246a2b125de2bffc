import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findFreeTcpPort } from "./free-port.ts";
import {
  logOf,
  MAIL_OWNER,
  maildirOf,
  type PostfixHubOptions,
  type PostfixLayout,
  toMainCf,
  toMasterCf,
} from "./postfix-config.ts";
import { findProgram, peerFolder } from "./programs.ts";
import { spawnTied, type TiedProcess } from "./tied-process.ts";
import { waitUntil } from "./wait-until.ts";

/** Postfix makes what is missing in its queue, but not with the owner that it then asks for. */
const QUEUE_FOLDERS =
  "active bounce corrupt defer deferred flush hold incoming maildrop private public saved trace";
const PORT_TRIES = 5;
const PROBE_MS = 1_000;

export interface HubMessage {
  readonly sender: string;
  readonly recipient: string;
  /** As in the mail folder: Postfix's own header fields first, lines ending in LF. */
  readonly raw: Buffer;
}

export interface PostfixHub {
  readonly port: number;
  /** Of its master, until it is restarted. */
  pid(): number;
  /** One for each recipient, in order of arrival. */
  messages(): Promise<readonly HubMessage[]>;
  /** Resolves when at least `count` have arrived. */
  waitForMessages(count: number, limitMs?: number): Promise<readonly HubMessage[]>;
  log(): Promise<string>;
  /** Ends the server and keeps its port, queue and mail for `restart`. */
  halt(): Promise<void>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** For `test(title, { skip: noPostfix() }, ...)`. */
export function noPostfix(): string | false {
  if (process.getuid?.() !== 0) {
    const skip = "SKIPPED: Postfix starts only as root";
    process.stderr.write(`\n*** ${skip} ***\n`);
    return skip;
  }
  return findProgram("postfix").skip;
}

/**
 * A real Postfix from the unpacked package, with a private configuration, queue and mail folder. It
 * writes every message to a mail folder as it came, except line endings and the fields that it puts
 * in front. A header block that breaks off at a line that is no field gets an empty line there.
 */
export async function startPostfixHub(options: PostfixHubOptions): Promise<PostfixHub> {
  const folder = await mkdtemp(join(tmpdir(), "postfix-"));
  const started = await startOnFreePort(folder, options);
  const { layout } = started;
  let server = started.server;
  const messages = () => readMessages(maildirOf(layout));
  return {
    port: layout.port,
    pid: () => server.pid,
    messages,
    waitForMessages: (count, limitMs) => {
      let seen = 0;
      return waitUntil(
        () => `expected ${count} messages at the hub, got ${seen}`,
        async () => {
          const all = await messages();
          seen = all.length;
          return seen >= count ? all : undefined;
        },
        limitMs,
      );
    },
    log: () => readFile(logOf(layout), "utf8"),
    halt: () => end(server, layout),
    async restart() {
      await end(server, layout);
      const again = await start(layout);
      if (!again) throw new Error(`Postfix did not start again: ${await tailOfLog(layout)}`);
      server = again;
    },
    async stop() {
      await end(server, layout);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What follows the header block, with the line endings that it had on the wire. */
export function bodyOf(raw: Buffer): Buffer {
  const end = raw.indexOf("\n\n");
  if (end < 0) return Buffer.alloc(0);
  return Buffer.from(
    raw
      .subarray(end + 2)
      .toString("latin1")
      .replaceAll("\n", "\r\n"),
    "latin1",
  );
}

async function startOnFreePort(
  folder: string,
  options: PostfixHubOptions,
): Promise<{ server: TiedProcess; layout: PostfixLayout }> {
  const root = peerFolder("postfix");
  const libraryPath = findProgram("postfix").env.LD_LIBRARY_PATH ?? "";
  await makeFolders(folder);
  for (let attempt = 1; ; attempt++) {
    const { host = "127.0.0.1", port = await findFreeTcpPort() } = options;
    const layout = { root, libraryPath, folder, host, port };
    await configure(layout, options);
    const server = await start(layout);
    if (server) return { server, layout };
    if (attempt === PORT_TRIES) throw new Error(`Postfix ended: ${await tailOfLog(layout)}`);
  }
}

async function makeFolders(folder: string): Promise<void> {
  const owner = await idsOf(MAIL_OWNER);
  await chmod(folder, 0o755);
  for (const name of ["config", "queue", "queue/pid", "data", "mail", "log"]) {
    await mkdir(join(folder, name));
  }
  for (const name of QUEUE_FOLDERS.split(" ")) {
    await mkdir(join(folder, "queue", name), { mode: 0o700 });
    await chown(join(folder, "queue", name), owner.uid, owner.gid);
  }
  for (const name of ["data", "mail"]) await chown(join(folder, name), owner.uid, owner.gid);
}

async function configure(layout: PostfixLayout, options: PostfixHubOptions): Promise<void> {
  const main = toMainCf(layout, options, await idsOf(MAIL_OWNER));
  await writeFile(join(layout.folder, "config/main.cf"), main);
  await writeFile(join(layout.folder, "config/master.cf"), toMasterCf(layout));
}

/** Undefined when it ended by itself, as when the port was taken. */
async function start(layout: PostfixLayout): Promise<TiedProcess | undefined> {
  const master = join(layout.root, "usr/lib/postfix/sbin/master");
  const server = spawnTied(master, ["-c", join(layout.folder, "config")], {
    env: { LD_LIBRARY_PATH: layout.libraryPath },
  });
  const state = await waitUntil(
    () => `Postfix does not greet; ${logOf(layout)}`,
    async () => (server.hasEnded() ? "ended" : (await greets(layout)) || undefined),
  ).catch(async (error: unknown) => {
    // Else it would keep the process of the test from ending.
    await server.stop();
    throw error;
  });
  return state === "ended" ? undefined : server;
}

/** Its smtpd processes hold the listening socket a moment longer than the master does. */
async function end(server: TiedProcess, layout: PostfixLayout): Promise<void> {
  await server.stop();
  await waitUntil(
    () => `port ${layout.port} still takes connections after Postfix has ended`,
    async () => (await refuses(layout)) || undefined,
  );
}

function refuses({ host, port }: PostfixLayout): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host, () => {
      socket.destroy();
      resolve(false);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code === "ECONNREFUSED"));
  });
}

/** Whether a mail server says 220 there. */
export function greets({ host, port }: Pick<PostfixLayout, "host" | "port">): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    const finish = (greeted: boolean) => {
      socket.destroy();
      resolve(greeted);
    };
    socket.setTimeout(PROBE_MS, () => finish(false));
    socket.once("data", (banner) => finish(banner.toString().startsWith("220 ")));
    socket.once("error", () => finish(false));
    socket.once("close", () => finish(false));
  });
}

async function readMessages(maildir: string): Promise<readonly HubMessage[]> {
  const names = await readdir(join(maildir, "new")).catch(() => []);
  const files = names.sort().map((name) => readFile(join(maildir, "new", name)));
  return (await Promise.all(files)).map(toHubMessage);
}

function toHubMessage(raw: Buffer): HubMessage {
  const field = (name: string) =>
    new RegExp(`^${name}: <?([^>\n]*)>?$`, "m").exec(raw.toString("latin1"))?.[1] ?? "";
  return { sender: field("Return-Path"), recipient: field("X-Original-To"), raw };
}

async function idsOf(account: string): Promise<{ uid: number; gid: number }> {
  const row = (await readFile("/etc/passwd", "utf8"))
    .split("\n")
    .map((line) => line.split(":"))
    .find(([name]) => name === account);
  if (!row) throw new Error(`no account ${account} on this machine`);
  return { uid: Number(row[2]), gid: Number(row[3]) };
}

async function tailOfLog(layout: PostfixLayout): Promise<string> {
  const log = await readFile(logOf(layout), "utf8").catch(() => "it wrote no log");
  return log.slice(-3000);
}
