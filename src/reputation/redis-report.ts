import { Cluster } from "ioredis";
import type { RedisClient } from "./redis-client.ts";

/** What one server says of itself. */
export interface RedisReport {
  readonly server: string;
  readonly version: string;
  readonly usedBytes: number;
  /** 0: no limit. */
  readonly mostBytes: number;
  readonly policy: string;
  readonly role: string;
}

/** Of the master, or of all masters of a Cluster. Rejects when one does not answer. */
export async function reportRedis(client: RedisClient): Promise<readonly RedisReport[]> {
  const nodes = client instanceof Cluster ? client.nodes("master") : [client];
  return Promise.all(
    nodes.map(async (node) => {
      const info = await node.info();
      const field = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, "m").exec(info)?.[1] ?? "";
      return {
        server: `${node.options.host ?? ""}:${node.options.port ?? ""}`,
        version: field("redis_version"),
        usedBytes: Number(field("used_memory")),
        mostBytes: Number(field("maxmemory")),
        policy: field("maxmemory_policy"),
        role: field("role"),
      };
    }),
  );
}
