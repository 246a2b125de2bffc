import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { RawClient } from "../support/raw-client.ts";
import { SIMPLE_MESSAGE } from "../support/send-mail.ts";
import type { TestGateway } from "../support/test-gateway.ts";
import { waitUntil } from "../support/wait-until.ts";
import { withEdge } from "../support/with-edge.ts";

const POLICIES = {
  limits: {
    connections: { max: 5000, perClient: 5000, newPerClientPerMinute: 100_000 },
    // A message goes to a temporary file at once.
    memory: { messageBytes: 16_384, totalBytes: 1_048_576 },
  },
};

const BIG = `${SIMPLE_MESSAGE}${`${"x".repeat(98)}\r\n`.repeat(400)}`;

const TO_RCPT = "EHLO a.test\r\nMAIL FROM:<c@a.test>\r\nRCPT TO:<alice@example.org>\r\n";
const TO_DATA = `${TO_RCPT}DATA\r\n`;

/** What a client says before it leaves. After DATA it waits for its turn, or does not. */
const STEPS: readonly (readonly string[])[] = [
  [],
  ["EH"],
  ["EHLO a.test\r\n"],
  ["EHLO a.test\r\nMAIL FROM:<c@a.test>\r\n"],
  [TO_RCPT],
  [TO_DATA],
  [TO_DATA, "From"],
  [TO_DATA, BIG],
  [TO_DATA, `${BIG}.\r\n`],
  [`${TO_DATA}From`],
  [`${TO_DATA}${BIG}.\r\n`],
  ["EHLO a.test\r\nSTARTTLS\r\n", "\x16\x03\x01\x02\x00\x01"],
  ["QUIT\r\n"],
];
const ROUNDS = 100;
const CLIENTS_AT_ONCE = 10;

/** One client for each step, some with a reset, some with an end. */
async function leaveEverywhere(port: number, round: number): Promise<void> {
  await Promise.all(
    Array.from({ length: CLIENTS_AT_ONCE }, async (_, i) => {
      const said = STEPS[(round + i) % STEPS.length] ?? [];
      const client = await RawClient.open({ port });
      if (said.length > 0) await client.reply();
      for (const octets of said) {
        await client.sendNow(octets);
        if (octets === TO_DATA) await replies(client, 4);
      }
      // A reset after the server's end leaks the handle of the client (a bug of node).
      if ((round + i) % 2 === 0 && !client.isClosed) client.socket.resetAndDestroy();
      else client.destroy();
    }),
  );
}

async function replies(client: RawClient, count: number): Promise<void> {
  for (let left = count; left > 0; left--) await client.reply();
}

async function openFiles(): Promise<number> {
  return (await readdir("/proc/self/fd")).length;
}

async function untilNobodyIsThere(edge: TestGateway): Promise<void> {
  const { host, port } = edge.gateway.status ?? { host: "", port: 0 };
  const isEmpty = async () => {
    const metrics = await (await fetch(`http://${host}:${port}/metrics`)).text();
    return /^postern_smtp_open_connections 0$/m.test(metrics) ? true : undefined;
  };
  await waitUntil(() => "sessions stay open", isEmpty);
}

test("clients that leave at every step leave no file, no connection and no half-told story", async () => {
  const settings = { metrics: { listen: "127.0.0.1:0" } };
  await withEdge({ policies: POLICIES, settings }, async (edge, hub) => {
    await leaveEverywhere(edge.port, 0);
    await untilNobodyIsThere(edge);
    const filesBefore = await openFiles();
    for (let round = 1; round <= ROUNDS; round++) await leaveEverywhere(edge.port, round);
    await untilNobodyIsThere(edge);
    await waitUntil(
      () => `more than ${filesBefore} open files`,
      async () => ((await openFiles()) <= filesBefore + 20 ? true : undefined),
    );
    assert.deepEqual(await readdir(join(edge.folder, "data", "tmp")), []);
    const decided = edge.log.filter(({ event }) => event === "decided");
    assert.equal(new Set(decided.map(({ id }) => id)).size, decided.length);
    const bugs = edge.log.filter(({ level }) => level === "error");
    assert.deepEqual(bugs, []);
    const taken = decided.filter(({ via }) => via === "hub").length;
    assert.equal(hub.messages.length, taken, "a message is told as often as it is delivered");
  });
});
