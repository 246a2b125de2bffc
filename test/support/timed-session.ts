import assert from "node:assert/strict";
import { createFakeClock } from "./fake-clock.ts";
import type { RawClient } from "./raw-client.ts";
import { createScriptedHandler, type Script } from "./scripted-handler.ts";
import { type EdgeOptions, startEdge } from "./smtp-edge.ts";

/** A client that was greeted, and the clock that its server goes by. */
export async function startTimedSession(options: EdgeOptions = {}, script: Script = {}) {
  const clock = createFakeClock();
  const handler = createScriptedHandler(script);
  const edge = await startEdge(handler, { clock, ...options });
  return { clock, handler, edge, client: await edge.greeted() };
}

/** The octets are in the server's hands: it has answered something sent after nothing else. */
export async function arrived(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((go) => setImmediate(go));
}

export async function assertGoodbye(client: RawClient, status: string): Promise<void> {
  assert.equal((await client.reply()).text.slice(0, 9), `421 ${status}`);
  assert.equal(await client.closed(), "");
}
