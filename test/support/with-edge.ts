import { createSystemClock } from "../../src/base/clock.ts";
import { callControl } from "../../src/control/call-control.ts";
import { controlPath } from "../../src/control/control.ts";
import type { TransactionStory } from "../../src/tracking/tracking.ts";
import { RawClient } from "./raw-client.ts";
import { type HubOptions, type ScriptedHub, startScriptedHub } from "./scripted-hub.ts";
import { startTestGateway, type TestGateway, type TestGatewayOptions } from "./test-gateway.ts";
import { waitUntil } from "./wait-until.ts";

export interface EdgeOptions extends Omit<TestGatewayOptions, "hubPort"> {
  readonly hub?: HubOptions;
}

/** A whole gateway before a scripted hub, both gone when `work` is over, however it ends. */
export async function withEdge(
  { hub: hubOptions = {}, ...options }: EdgeOptions,
  work: (edge: TestGateway, hub: ScriptedHub) => Promise<void>,
): Promise<void> {
  const hub = await startScriptedHub(hubOptions);
  try {
    const edge = await startTestGateway({ ...options, hubPort: hub.port });
    try {
      await work(edge, hub);
    } finally {
      await edge.remove();
    }
  } finally {
    await hub.close();
  }
}

/** A client that has been greeted and has said EHLO. */
export async function greet(edge: Pick<TestGateway, "port">): Promise<RawClient> {
  const client = await RawClient.open({ port: edge.port });
  await client.reply();
  await client.say("EHLO mail.friend.test");
  return client;
}

/** A client with a transaction for these recipients, and DATA not yet said. */
export async function openTransaction(
  edge: Pick<TestGateway, "port">,
  to: readonly string[] = ["alice@example.org"],
): Promise<RawClient> {
  const client = await greet(edge);
  await client.say("MAIL FROM:<carol@friend.test>");
  for (const address of to) await client.say(`RCPT TO:<${address}>`);
  return client;
}

/** What `postern explain` gets to tell, once it is stored: another process may have noted it. */
export function storyOf(
  edge: TestGateway,
  id: string | null,
  dataDir: string = `${edge.folder}/data`,
): Promise<TransactionStory> {
  const request = { command: "explain", args: { id } };
  const options = { timeoutMs: 5000, clock: createSystemClock() };
  return waitUntil(
    () => `nothing is stored about ${id}`,
    async () => {
      const found = await callControl(controlPath(dataDir), request, options).catch(() => []);
      return found[0] as TransactionStory | undefined;
    },
  );
}
