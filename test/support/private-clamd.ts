import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  privateClamdConfig,
  privateClamdSignatures,
} from "../../src/stages/antivirus/private-clamd-config.ts";
import { findFreeTcpPort } from "./free-port.ts";
import { spawnTied, type TiedProcess } from "./tied-process.ts";
import { waitUntil } from "./wait-until.ts";

const PLACES = ["/usr/sbin/clamd", "/usr/bin/clamd", "/usr/local/sbin/clamd"];

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
  const port = await findFreeTcpPort();
  await mkdir(join(folder, "db"));
  await mkdir(join(folder, "tmp"));
  await writeFile(join(folder, "db", "local.ndb"), privateClamdSignatures());
  await writeFile(config, privateClamdConfig({ folder, socket, port, ...options }));
  let clamd = await start(config, socket);

  const kill = async () => {
    clamd.signal("SIGKILL");
    await clamd.stop();
  };
  return {
    addresses: [`127.0.0.1:${port}`, `unix:${socket}`],
    pause: () => clamd.signal("SIGSTOP"),
    resume: () => clamd.signal("SIGCONT"),
    kill,
    async restart() {
      await kill();
      clamd = await start(config, socket);
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

/** Resolves once it answers on the socket, which it opens after the port. */
async function start(config: string, socket: string): Promise<TiedProcess> {
  const clamd = spawnTied(findClamd() ?? "clamd", ["--config-file", config]);
  await waitUntil(
    () => `clamd does not answer: ${clamd.output()}`,
    async () => {
      if (clamd.hasEnded()) throw new Error(`clamd ended: ${clamd.output()}`);
      return (await answers(socket)) ? true : undefined;
    },
  );
  return clamd;
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
