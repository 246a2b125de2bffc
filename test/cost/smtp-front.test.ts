import assert from "node:assert/strict";
import { test } from "node:test";
import { DataReader } from "../../src/smtp/data-reader.ts";
import { parseMailArgument } from "../../src/smtp/mail-argument.ts";
import { createScriptedHandler } from "../support/scripted-handler.ts";
import { startEdge } from "../support/smtp-edge.ts";

const MIB = 1_048_576;
const CHUNK = 65_536;

/** Milliseconds to read `bytes` made of `unit`, the best of three. */
function timeToRead(unit: string, bytes: number): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 3; round++) {
    const data = Buffer.alloc(bytes, unit);
    const limits = { maxBytes: bytes * 2, maxHeaderBytes: bytes * 2, maxHeaderLines: bytes };
    const reader = new DataReader({ lineEndings: "refuse", ...limits });
    const start = performance.now();
    for (let at = 0; at < bytes; at += CHUNK) reader.read(data.subarray(at, at + CHUNK));
    best = Math.min(best, performance.now() - start);
  }
  return best;
}

for (const unit of ["..\r\n", "\r\n", ".\r", "\n", "\0", "\r", "x"]) {
  test(`reading a message of ${JSON.stringify(unit)} takes linear time`, () => {
    const small = Math.max(1, timeToRead(unit, MIB));
    const large = timeToRead(unit, 8 * MIB);
    assert(large < 8 * small * 5 + 50, `${small} ms for 1 MiB, ${large} ms for 8 MiB`);
  });
}

test("a command line of nothing but quotes, blanks or parameters takes linear time", () => {
  const start = performance.now();
  for (const part of ['"', "\\", " ", "<", " A", "=", " A=="]) {
    parseMailArgument(`FROM:<${part.repeat(200_000)}`, {
      maxBytes: 1,
      eightBitMime: true,
      smtpUtf8: true,
    });
  }
  assert(performance.now() - start < 2000);
});

test("a thousand idle sessions cost less than 60 MiB", async () => {
  await using edge = await startEdge(createScriptedHandler(), {
    limits: { connections: { perClient: 2000, newPerClientPerMinute: 3000 } },
  });
  const openSome = async (count: number) => {
    const clients = await Promise.all(Array.from({ length: count }, () => edge.greeted()));
    for (const client of clients) await client.say("EHLO client.test");
  };
  // What the first sessions load and compile is not the cost of a session.
  await openSome(50);
  const before = process.memoryUsage().rss;
  for (let group = 0; group < 10; group++) await openSome(100);
  const grown = process.memoryUsage().rss - before;
  // Both ends are in this process; the bound holds for them together.
  assert(grown < 60 * MIB, `${Math.round(grown / MIB)} MiB`);
});
