import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { findFreeTcpPort } from "./free-port.ts";
import { findProgram } from "./programs.ts";
import { spawnTied, type TiedProcess } from "./tied-process.ts";
import { waitUntil } from "./wait-until.ts";

/** A port that was free a moment ago may be taken: then the next one. */
const PORT_TRIES = 5;

export interface RedisServer {
  readonly port: number;
  readonly url: string;
  /** A plain client, with waits as long as it takes. */
  readonly admin: Redis;
  /** SIGSTOP: it takes connections and answers nothing. */
  pause(): void;
  resume(): void;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** On the same port, with what it had saved: nothing. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** For `test(title, { skip: noRedis() }, ...)`. */
export const noRedis = (): string | false => findProgram("redis-server").skip;

/** A real redis-server that keeps nothing on the disk; `args` as on its command line. */
export async function startRedis(args: readonly string[] = []): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), "redis-"));
  const started = await startOnFreePort(folder, args);
  const { port } = started;
  let server = started.server;
  const admin = new Redis(port, "127.0.0.1", { maxRetriesPerRequest: null, lazyConnect: true });
  admin.on("error", () => {});
  return {
    port,
    url: `redis://127.0.0.1:${port}/0`,
    admin,
    pause: () => server.signal("SIGSTOP"),
    resume: () => server.signal("SIGCONT"),
    async kill() {
      server.signal("SIGKILL");
      await waitUntil(
        () => "redis-server lives on",
        () => server.hasEnded() || undefined,
      );
    },
    async restart() {
      server = await waitUntil(
        () => `redis-server does not start again on ${port}`,
        () => tryStart(folder, port, args),
      );
    },
    async stop() {
      admin.disconnect();
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function startOnFreePort(folder: string, args: readonly string[]) {
  for (let attempt = 1; attempt <= PORT_TRIES; attempt++) {
    const port = await findFreeTcpPort();
    const server = await tryStart(folder, port, args);
    if (server) return { server, port };
  }
  throw new Error("redis-server does not start");
}

/** Resolves once it answers; undefined when it ended, as with a port that is taken. */
async function tryStart(
  folder: string,
  port: number,
  args: readonly string[],
): Promise<TiedProcess | undefined> {
  const server = spawnTied(findProgram("redis-server").path, [
    ...["--port", `${port}`, "--bind", "127.0.0.1", "--dir", folder],
    ...["--save", "", "--appendonly", "no", "--loglevel", "warning"],
    ...args,
  ]);
  const probe = new Redis(port, "127.0.0.1", { retryStrategy: () => 20 });
  probe.on("error", () => {});
  try {
    const ready = await waitUntil(
      () => `redis-server does not answer: ${server.output()}`,
      async () => {
        if (server.hasEnded()) return "ended";
        const pid = await processOf(probe);
        return pid === server.pid ? "ready" : undefined;
      },
    );
    return ready === "ready" ? server : undefined;
  } catch (error) {
    await server.stop();
    throw error;
  } finally {
    probe.disconnect();
  }
}

/** Which process answers; another server may have the port. */
async function processOf(probe: Redis): Promise<number | null> {
  if (probe.status !== "ready") return null;
  const info = await probe.info("server").catch(() => "");
  return Number(/process_id:(\d+)/.exec(info)?.[1] ?? "0");
}
