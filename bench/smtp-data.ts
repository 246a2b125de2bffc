import { createScriptedHandler } from "../test/support/scripted-handler.ts";
import { startEdge } from "../test/support/smtp-edge.ts";

const BYTES = 10_485_760;
const ROUNDS = 5;
const BODIES: Readonly<Record<string, string>> = {
  "plain lines": `${"x".repeat(76)}\r\n`,
  "dot lines": "..\r\n",
  "stuffed text": `..${"x".repeat(74)}\r\n`,
  "empty lines": "\r\n",
  "one long line": "x".repeat(65_536),
};

/** Milliseconds from 354 to the reply, over loopback, both ends in this process. */
async function timeOf(unit: string): Promise<number> {
  const limits = { message: { maxBytes: 3 * BYTES } };
  await using edge = await startEdge(createScriptedHandler({ offers: limits.message }), { limits });
  const client = await edge.greeted();
  await client.say("EHLO client.test");
  await client.say("MAIL FROM:<>");
  await client.say("RCPT TO:<bob@example.org>");
  await client.say("DATA");
  const message = Buffer.concat([
    Buffer.from("Subject: x\r\n\r\n"),
    Buffer.alloc(Math.floor(BYTES / unit.length) * unit.length, unit),
    Buffer.from("\r\n.\r\n"),
  ]);
  const start = performance.now();
  client.send(message);
  await client.reply();
  return performance.now() - start;
}

for (const [name, unit] of Object.entries(BODIES)) {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) times.push(await timeOf(unit));
  const best = Math.min(...times);
  process.stdout.write(`${name.padEnd(14)} ${best.toFixed(0)} ms for 10 MiB\n`);
}
