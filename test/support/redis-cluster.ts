import type { Redis } from "ioredis";
import { findFreeTcpPort } from "./free-port.ts";
import { type RedisServer, startRedis } from "./redis-server.ts";
import { waitUntil } from "./wait-until.ts";

const SLOTS = 16_384;
/** How soon nodes take a mute one for dead. */
const NODE_TIMEOUT_MS = 1000;

export interface RedisCluster {
  readonly url: string;
  readonly nodes: readonly RedisServer[];
  flush(): Promise<void>;
  stop(): Promise<void>;
}

/** Three masters that share all slots, without replicas. */
export async function startRedisCluster(): Promise<RedisCluster> {
  const nodes = await Promise.all([0, 1, 2].map(() => startNode()));
  const [first] = nodes;
  if (!first) throw new Error("no nodes");
  await Promise.all(nodes.map(({ admin }, i) => takeSlots(admin, i, nodes.length)));
  for (const [i, node] of nodes.entries()) {
    await node.admin.cluster("SET-CONFIG-EPOCH", i + 1);
    if (node !== first) await first.admin.cluster("MEET", "127.0.0.1", node.port, node.busPort);
  }
  for (const { admin } of nodes) {
    await waitUntil(
      () => "the nodes do not become a cluster",
      async () => {
        const info = String(await admin.cluster("INFO"));
        return (
          (info.includes("cluster_state:ok") && info.includes(`known_nodes:${nodes.length}`)) ||
          undefined
        );
      },
    );
  }
  return {
    url: `redis+cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(",")}`,
    nodes,
    flush: async () => void (await Promise.all(nodes.map(({ admin }) => admin.flushall()))),
    stop: async () => void (await Promise.all(nodes.map((node) => node.stop()))),
  };
}

async function startNode(): Promise<RedisServer & { readonly busPort: number }> {
  const busPort = await findFreeTcpPort();
  const server = await startRedis([
    ...["--cluster-enabled", "yes", "--cluster-port", `${busPort}`],
    ...["--cluster-node-timeout", `${NODE_TIMEOUT_MS}`],
  ]);
  return { ...server, busPort };
}

async function takeSlots(admin: Redis, index: number, count: number): Promise<void> {
  const from = Math.floor((SLOTS * index) / count);
  const to = Math.floor((SLOTS * (index + 1)) / count) - 1;
  await admin.call("CLUSTER", "ADDSLOTSRANGE", from, to);
}
