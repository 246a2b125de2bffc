import assert from "node:assert/strict";
import { test } from "node:test";
import { toWireData } from "../../src/smtp/client-data.ts";
import { createScriptedHandler } from "../support/scripted-handler.ts";
import { startEdge } from "../support/smtp-edge.ts";

const BYTES = 10_485_760;
/** What the issue allows. */
const TIMES_SLOWER = 3;
const ROUNDS = 9;
const PLAIN = `${"x".repeat(76)}\r\n`;

/** The best of several rounds of each, in turn, so that both meet the same machine. */
async function bestOf(
  time: (unit: string) => Promise<number>,
  units: readonly string[],
): Promise<readonly number[]> {
  const best = units.map(() => Number.POSITIVE_INFINITY);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, unit] of units.entries()) {
      best[i] = Math.min(best[i] ?? Number.POSITIVE_INFINITY, await time(unit));
    }
  }
  return best;
}

const filled = (unit: string) => Buffer.alloc(Math.floor(BYTES / unit.length) * unit.length, unit);

/** From 354 to the reply, over loopback, both ends in this process. */
async function timeToReceive(unit: string): Promise<number> {
  const message = { maxBytes: 3 * BYTES };
  await using edge = await startEdge(createScriptedHandler({ offers: message }), {
    limits: { message },
  });
  const client = await edge.greeted();
  for (const line of ["EHLO client.test", "MAIL FROM:<>", "RCPT TO:<bob@example.org>", "DATA"]) {
    await client.say(line);
  }
  const start = performance.now();
  client.send(Buffer.concat([Buffer.from("Subject: x\r\n\r\n"), filled(unit)]));
  client.send(".\r\n");
  assert.equal((await client.reply()).code, 250);
  return performance.now() - start;
}

async function timeToSend(unit: string): Promise<number> {
  const body = filled(unit);
  async function* read() {
    for (let at = 0; at < body.length; at += 65_536) yield body.subarray(at, at + 65_536);
  }
  const start = performance.now();
  for await (const octets of toWireData(read())) assert(octets.length > 0);
  return performance.now() - start;
}

for (const [what, time] of [
  ["receiving", timeToReceive],
  ["sending", timeToSend],
] as const) {
  test(`${what} 10 MiB of dots takes at most three times as long as plain lines`, async () => {
    const [plain = 0, dots = 0] = await bestOf(time, [PLAIN, "..\r\n"]);
    const told = `${dots.toFixed(1)} ms for dots, ${plain.toFixed(1)} ms for plain lines`;
    process.stdout.write(`${what}: ${told}\n`);
    assert(dots < TIMES_SLOWER * plain, told);
  });
}
