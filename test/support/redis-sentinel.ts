import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { findFreeTcpPort } from "./free-port.ts";
import { findProgram } from "./programs.ts";
import { type RedisServer, startRedis } from "./redis-server.ts";
import { spawnTied } from "./tied-process.ts";
import { waitUntil } from "./wait-until.ts";

const NAME = "postern";
/** After so long without an answer the sentinel gives the replica the mastery. */
const DOWN_AFTER_MS = 500;

export interface RedisSentinel {
  readonly url: string;
  readonly master: RedisServer;
  readonly replica: RedisServer;
  stop(): Promise<void>;
}

/** A master, its replica, and the one sentinel that decides. */
export async function startRedisSentinel(): Promise<RedisSentinel> {
  const master = await startRedis(["--repl-diskless-sync-delay", "0"]);
  const replica = await startRedis(["--replicaof", `127.0.0.1 ${master.port}`]);
  const sentinel = await startSentinel(master.port);
  await waitUntil(
    () => "the replica does not follow",
    async () =>
      (await replica.admin.info("replication")).includes("master_link_status:up") || undefined,
  );
  await waitUntil(
    () => `the sentinel does not know the replica: ${sentinel.output()}`,
    async () => {
      const fields = (await sentinel.admin.call("SENTINEL", "MASTER", NAME)) as readonly string[];
      return fields[fields.indexOf("num-slaves") + 1] === "1" || undefined;
    },
    30_000,
  );
  return {
    url: `redis+sentinel://127.0.0.1:${sentinel.port}/${NAME}`,
    master,
    replica,
    async stop() {
      await sentinel.stop();
      await Promise.all([master.stop(), replica.stop()]);
    },
  };
}

async function startSentinel(masterPort: number) {
  const folder = await mkdtemp(join(tmpdir(), "redis-sentinel-"));
  const port = await findFreeTcpPort();
  const file = join(folder, "sentinel.conf");
  const lines = [
    `port ${port}`,
    "bind 127.0.0.1",
    `dir ${folder}`,
    `sentinel monitor ${NAME} 127.0.0.1 ${masterPort} 1`,
    `sentinel down-after-milliseconds ${NAME} ${DOWN_AFTER_MS}`,
    `sentinel failover-timeout ${NAME} 3000`,
  ];
  await writeFile(file, `${lines.join("\n")}\n`);
  const server = spawnTied(findProgram("redis-server").path, [file, "--sentinel"]);
  const admin = new Redis(port, "127.0.0.1", { maxRetriesPerRequest: null });
  admin.on("error", () => {});
  await waitUntil(
    () => `the sentinel does not answer: ${server.output()}`,
    () => (server.hasEnded() ? "ended" : admin.status === "ready" || undefined),
  );
  return {
    port,
    admin,
    output: () => server.output(),
    async stop() {
      admin.disconnect();
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
