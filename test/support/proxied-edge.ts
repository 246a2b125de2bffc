import assert from "node:assert/strict";
import { createMetrics } from "../../src/base/metrics.ts";
import { parseCidr } from "../../src/net/ip.ts";
import { createFakeClock } from "./fake-clock.ts";
import { toProxyV2 } from "./proxy-header.ts";
import type { RawClient } from "./raw-client.ts";
import { createScriptedHandler } from "./scripted-handler.ts";
import { type Edge, type EdgeOptions, startEdge } from "./smtp-edge.ts";
import { waitUntil } from "./wait-until.ts";

export const ranges = (...texts: readonly string[]) =>
  texts.flatMap((text) => parseCidr(text) ?? []);
export const PROXIES = ranges("127.0.0.1/32");

export const proxyV1 = (ip: string, port = 4711) =>
  `PROXY ${ip.includes(":") ? "TCP6" : "TCP4"} ${ip} ${ip} ${port} 25\r\n`;
export const proxyV2 = (source: string, port = 4711) => toProxyV2({ source, port });
export const TEASER = "220-mx.test please wait";
export const PROXY_LOCAL = toProxyV2({ command: 0x20, family: 0 });

/** An edge on a fake clock that trusts the word of 127.0.0.1. */
export async function startProxiedEdge(options: EdgeOptions = {}) {
  const clock = createFakeClock();
  const handler = createScriptedHandler();
  const metrics = createMetrics();
  const edge = await startEdge(handler, {
    clock,
    metrics,
    rules: { proxies: PROXIES },
    ...options,
  });
  return {
    clock,
    handler,
    edge,
    async counted(series: string) {
      const { text: all } = await metrics.expose();
      const line = all.split("\n").find((text) => text.startsWith(`${series} `));
      return Number(line?.split(" ")[1] ?? 0);
    },
  };
}

export const outcome = (name: string) =>
  `postern_smtp_connections_total{listener="internet",outcome="${name}"}`;

export async function comeWith(edge: Edge, header: string | Buffer): Promise<RawClient> {
  const client = await edge.open();
  client.send(header);
  return client;
}

export async function assertServed(client: RawClient): Promise<void> {
  assert.equal((await client.reply()).text, "220 mx.test ESMTP");
}

export async function assertTurnedAway(client: RawClient, start: string): Promise<void> {
  const { text } = await client.reply();
  assert.ok(text.startsWith(start), text);
  assert.equal(await client.closed(), "");
}

export async function countedIn(edge: Edge, count: number): Promise<void> {
  await waitUntil(
    () => `${edge.counters.open()} connections are counted, not ${count}`,
    () => edge.counters.open() === count || undefined,
  );
}

export async function leave(edge: Edge, client: RawClient): Promise<void> {
  client.destroy();
  await countedIn(edge, 0);
}
