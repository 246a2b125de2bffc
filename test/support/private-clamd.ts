import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  privateClamdConfig,
  privateClamdSignatures,
} from "../../src/stages/antivirus/private-clamd-config.ts";

const PLACES = ["/usr/sbin/clamd", "/usr/bin/clamd", "/usr/local/sbin/clamd"];
/** It starts in well under a second; a loaded machine gets patience. */
const START_LIMIT_MS = 30_000;
const POLL_MS = 20;

export interface RunningClamd {
  /** `127.0.0.1:port` and `unix:/path`. */
  readonly addresses: readonly [tcp: string, unix: string];
  /** SIGSTOP: it hangs, and the kernel still accepts connections for it. */
  pause(): void;
  resume(): void;
  /** SIGKILL. The addresses stay its own for `restart`. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  /** Ends it and removes its files. */
  stop(): Promise<void>;
}

/** Why tests with a real clamd cannot run here, or false: `test(title, { skip: noClamd() }, …)`. */
export function noClamd(): string | false {
  if (findClamd() !== null) return false;
  const skip = "SKIPPED: no clamd is installed here";
  process.stderr.write(`\n*** ${skip} ***\n`);
  return skip;
}

/** A real clamd of our own with one signature (EICAR), on a TCP port and a UNIX socket. */
export async function startPrivateClamd(
  options: { readonly streamMaxBytes?: number; readonly threads?: number } = {},
): Promise<RunningClamd> {
  const folder = await mkdtemp(join(tmpdir(), "clamd-"));
  const socket = join(folder, "clamd.sock");
  const config = join(folder, "clamd.conf");
  const port = await freePort();
  await mkdir(join(folder, "db"));
  await mkdir(join(folder, "tmp"));
  await writeFile(join(folder, "db", "local.ndb"), privateClamdSignatures());
  await writeFile(config, privateClamdConfig({ folder, socket, port, ...options }));
  let child = await start(config, socket);

  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  };
  return {
    addresses: [`127.0.0.1:${port}`, `unix:${socket}`],
    pause: () => void child.kill("SIGSTOP"),
    resume: () => void child.kill("SIGCONT"),
    kill,
    async restart() {
      await kill();
      child = await start(config, socket);
    },
    async stop() {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function findClamd(): string | null {
  return PLACES.find((place) => existsSync(place)) ?? null;
}

/** Resolves once it answers; it opens the TCP port before the socket. */
async function start(config: string, socket: string): Promise<ChildProcess> {
  const child = spawn(findClamd() ?? "clamd", ["--config-file", config], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-4000);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  const until = performance.now() + START_LIMIT_MS;
  while (!(await answers(socket))) {
    if (child.exitCode !== null) throw new Error(`clamd ended: ${output}`);
    if (performance.now() > until) {
      child.kill("SIGKILL");
      throw new Error(`clamd does not answer: ${output}`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return child;
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ path });
    probe.on("connect", () => probe.write("zPING\0"));
    probe.on("data", (reply) => {
      probe.destroy();
      resolve(reply.toString() === "PONG\0");
    });
    probe.on("error", () => resolve(false));
    probe.on("close", () => resolve(false));
  });
}

/** clamd cannot choose a port itself. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
