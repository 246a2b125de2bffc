import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { afterwards } from "../support/afterwards.ts";
import { type GatewayProcess, spawnGateway } from "../support/gateway-process.ts";
import { noClamd, startPrivateClamd } from "../support/private-clamd.ts";
import { RawClient } from "../support/raw-client.ts";
import { startSinkHub } from "../support/sink-hub.ts";
import { writeGatewayFiles } from "../support/test-gateway.ts";
import { waitUntil } from "../support/wait-until.ts";

/** Resident memory of the gateway's own process, as the kernel counts it. */
const skip = noProc() || noClamd();

const MIB = 1024 * 1024;
const MESSAGE_BYTES = 25 * MIB;
const ONE_LIMIT_MIB = 16;
const TEN_LIMIT_MIB = 80;
const IDLE_LIMIT_MIB = 60;
const IDLE_SESSIONS = 1000;
/** Windows are compared until two are alike. */
const WINDOW_MS = 1000;
const MOST_WINDOWS = 10;
const SAME_MIB = 0.5;
const ANSWER_LIMIT_MS = 120_000;

function noProc(): string | false {
  if (existsSync("/proc/self/clear_refs")) return false;
  const reason = "SKIPPED: no /proc/PID/clear_refs here: the gateway's memory was not measured";
  process.stderr.write(`\n*** ${reason} ***\n`);
  return reason;
}

function readMib(pid: number, field: "VmRSS" | "VmHWM"): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) / 1024;
}

/** What it rests at: a new process grows for a while, and a busy one gives back. */
async function restingMib({ pid }: GatewayProcess): Promise<number> {
  let before = Number.POSITIVE_INFINITY;
  for (let window = 0; window < MOST_WINDOWS; window++) {
    const seen: number[] = [];
    for (const end = performance.now() + WINDOW_MS; performance.now() < end; await pause(50))
      seen.push(readMib(pid, "VmRSS"));
    const least = Math.min(...seen);
    if (Math.abs(least - before) < SAME_MIB) return least;
    before = least;
  }
  return before;
}

/** How far the peak of resident memory is above what it was before. */
async function growthMib(gateway: GatewayProcess, work: () => Promise<unknown>): Promise<number> {
  const before = await restingMib(gateway);
  writeFileSync(`/proc/${gateway.pid}/clear_refs`, "5"); // proc(5): VmHWM begins again
  await work();
  return readMib(gateway.pid, "VmHWM") - before;
}

async function startWeighed(t: TestContext): Promise<{ gateway: GatewayProcess; port: number }> {
  const stack = new AsyncDisposableStack();
  afterwards(t, () => stack.disposeAsync());
  const folder = mkdtempSync(join(tmpdir(), "postern-memory-"));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const hub = await startSinkHub();
  stack.defer(() => hub.close());
  const clamd = await startPrivateClamd();
  stack.defer(() => clamd.stop());
  const settingsFile = await writeGatewayFiles(folder, {
    hubPort: hub.port,
    clamd: clamd.addresses,
  });
  const gateway = spawnGateway({ settingsFile });
  stack.defer(() => gateway.stop());
  return { gateway, port: await gateway.listening() };
}

/** A text and an attachment in base64, just below the limit. */
function largeMessage(): Buffer {
  const head = [
    "From: <carol@friend.test>",
    "Subject: large",
    "MIME-Version: 1.0",
    'Content-Type: multipart/mixed; boundary="b"',
    "",
    "--b",
    "",
    "see attachment",
    "--b",
    "Content-Type: application/octet-stream",
    'Content-Disposition: attachment; filename="data.bin"',
    "Content-Transfer-Encoding: base64",
    "",
    "",
  ].join("\r\n");
  const line = 78;
  const lines = Math.floor((MESSAGE_BYTES - head.length - 100) / line);
  const base64 = randomBytes(lines * 57).toString("base64");
  const body = base64.replace(/.{76}/g, "$&\r\n");
  return Buffer.from(`${head}${body}--b--\r\n`, "latin1");
}

async function connect(port: number, localAddress: string): Promise<RawClient> {
  const client = await RawClient.open({ port, localAddress });
  await client.reply();
  await client.say("EHLO mail.friend.test");
  return client;
}

async function sendLarge(port: number, message: Buffer, nth = 1): Promise<void> {
  const client = await connect(port, `127.0.2.${nth}`);
  await client.say("MAIL FROM:<carol@friend.test>");
  await client.say("RCPT TO:<alice@example.org>");
  await client.say("DATA");
  client.send(message);
  client.send(".\r\n");
  await waitUntil(
    () => "no answer to the large message",
    () => client.pending.includes("\r\n") || undefined,
    ANSWER_LIMIT_MS,
  );
  assert.match((await client.reply()).text, /^250 2\.0\.0 /);
  client.destroy();
}

test("large messages stream through: one or ten of 25 MiB hold little memory", {
  skip,
}, async (t) => {
  const { gateway, port } = await startWeighed(t);
  const message = largeMessage();
  assert.ok(message.length <= MESSAGE_BYTES && message.length > MESSAGE_BYTES - 1000);
  for (let warmUp = 0; warmUp < 3; warmUp++) await sendLarge(port, message);
  const one = await growthMib(gateway, () => sendLarge(port, message));
  const ten = await growthMib(gateway, () =>
    Promise.all(Array.from({ length: 10 }, (_, i) => sendLarge(port, message, i + 1))),
  );
  t.diagnostic(`one more: ${one.toFixed(1)} MiB, ten at once: ${ten.toFixed(1)} MiB`);
  assert.ok(one < ONE_LIMIT_MIB, `one more message: ${one} MiB`);
  assert.ok(ten < TEN_LIMIT_MIB, `ten at once: ${ten} MiB`);
});

test("a thousand idle sessions cost little memory", { skip }, async (t) => {
  const { gateway, port } = await startWeighed(t);
  const clients: RawClient[] = [];
  afterwards(t, () => {
    for (const client of clients) client.destroy();
  });
  for (let warmUp = 1; warmUp <= 50; warmUp++) (await connect(port, `127.0.4.${warmUp}`)).destroy();
  const idle = await growthMib(gateway, async () => {
    // Twenty from each address: as many as one client may have.
    for (let i = 0; i < IDLE_SESSIONS; i++)
      clients.push(await connect(port, `127.0.3.${1 + Math.floor(i / 20)}`));
  });
  t.diagnostic(`${IDLE_SESSIONS} idle sessions: ${idle.toFixed(1)} MiB`);
  assert.ok(
    clients.every((client) => !client.isClosed),
    "all of them are open",
  );
  assert.ok(idle < IDLE_LIMIT_MIB, `${IDLE_SESSIONS} idle sessions: ${idle} MiB`);
});
