import { connect, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import type { DataShape, FloodOrder, FloodReport } from "./flood-report.ts";

/**
 * The load of a flood, in a process of its own so that the measured client does not wait for it.
 * Usage: fork(flood-load.ts, [PORT, ORDER as JSON]); it sends a FloodReport now and then, and ends
 * with its parent.
 */
const REPORT_MS = 50;
const OCTET_MS = 10_000;
const BATCH = 100;
/** More connections at the same instant would only fill the backlog. */
const AT_ONCE = 64;
const PUSH = 65_536;
/** Two octets under 2 GiB per chunk of text, reused. */
const CHUNKS: Readonly<Record<DataShape, Buffer>> = {
  lines: Buffer.from(`${"x".repeat(62)}\r\n`.repeat(PUSH / 64)),
  "one-line": Buffer.alloc(PUSH, "x"),
  "header-lines": Buffer.from("X-A: b\r\n".repeat(PUSH / 8)),
};

const tally = { connected: 0, closed: 0, sent: 0, done: false };
const replies: Record<string, number> = {};
const goodbyes: Record<string, number> = {};

interface Client {
  readonly socket: Socket;
  send(octets: string | Buffer): Promise<void>;
  /** Code of the next reply; 0 once there will be none. */
  reply(): Promise<number>;
  isOver(): boolean;
}

/** `network` is the third octet of its addresses: no two loads share a client's limits. */
function open(port: number, network: number, host: number, deaf = false): Promise<Client> {
  const socket = connect({ port, host: "127.0.0.1", localAddress: `127.0.${network}.${host}` });
  const codes: number[] = [];
  let over = false;
  let text = "";
  let wake: () => void = () => {};
  const end = () => {
    if (!over) tally.closed += 1;
    over = true;
    wake();
  };
  socket.on("error", () => {}).on("close", end);
  if (!deaf) {
    socket.on("end", end).on("data", (chunk: Buffer) => {
      const lines = (text + chunk.toString("latin1")).split("\r\n");
      text = lines.pop() ?? "";
      for (const line of lines) if (line[3] === " ") note(line, codes);
      wake();
    });
  }
  const client: Client = {
    socket,
    send: (octets) =>
      new Promise((resolve) => {
        if (over || socket.destroyed) return resolve();
        socket.once("close", resolve);
        socket.write(octets, (error) => {
          socket.off("close", resolve);
          if (!error) tally.sent += octets.length;
          resolve();
        });
      }),
    async reply() {
      while (codes.length === 0 && !over)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      return codes.shift() ?? 0;
    },
    isOver: () => over,
  };
  return new Promise((resolve) => {
    socket.once("connect", () => {
      tally.connected += 1;
      resolve(client);
    });
    socket.once("close", () => resolve(client));
  });
}

function note(line: string, codes: number[]): void {
  const code = line.slice(0, 3);
  replies[code] = (replies[code] ?? 0) + 1;
  codes.push(Number(code));
  if (code !== "421" && code !== "552" && code !== "550") return;
  const word = line.split(" ", 2).join(" ");
  goodbyes[word] = (goodbyes[word] ?? 0) + 1;
}

/** Runs `work` for 0..count-1, some at once. */
async function each(count: number, work: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const run = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, count) }, run));
}

async function say(client: Client, ...lines: readonly string[]): Promise<number> {
  let code = 0;
  for (const line of lines) {
    await client.send(`${line}\r\n`);
    code = await client.reply();
  }
  return code;
}

async function greeted(port: number, network: number, host: number): Promise<Client> {
  const client = await open(port, network, host);
  await client.reply();
  await say(client, "EHLO flood.test");
  return client;
}

const MAIL = "MAIL FROM:<flood@flood.test>";
const RCPT = "RCPT TO:<alice@example.org>";

async function trickle(client: Client, octet: string): Promise<void> {
  await client.send(octet);
  const timer = setInterval(() => void client.send(octet), OCTET_MS);
  client.socket.once("close", () => clearInterval(timer));
}

async function slow(port: number, clients: number, addresses: number): Promise<void> {
  await each(clients, async (i) => {
    const client = await greeted(port, 11, 1 + (i % addresses));
    if (i % 2 === 1) await say(client, MAIL, RCPT, "DATA");
    await trickle(client, "N");
  });
}

async function connectOnly(port: number, clients: number, addresses: number): Promise<void> {
  await each(clients, async (i) => (await open(port, 12, 1 + (i % addresses))).reply());
}

/** A new session whenever the last was ended, each address often enough to stay below its rate. */
async function repeat(
  port: number,
  network: number,
  commands: number,
  session: (client: Client, nth: number) => Promise<number>,
): Promise<void> {
  let answered = 0;
  for (let nth = 0; answered < commands; nth++) {
    const client = await greeted(port, network, 1 + (nth % 200));
    answered += await session(client, nth);
    client.socket.destroy();
  }
}

async function flood(client: Client, command: string, batch: number, most: number) {
  let answered = 0;
  while (answered < most && !client.isOver()) {
    await client.send(`${command}\r\n`.repeat(batch));
    for (let i = 0; i < batch; i++) {
      if ((await client.reply()) === 0) return answered;
      answered += 1;
    }
  }
  return answered;
}

async function pushData(port: number, shape: DataShape, octets: number): Promise<void> {
  const client = await greeted(port, 15, shape.length);
  await say(client, `${MAIL} SIZE=100`, RCPT, "DATA");
  if (shape !== "header-lines")
    await client.send("From: <flood@flood.test>\r\nSubject: large\r\n\r\n");
  const start = tally.sent;
  while (tally.sent - start < octets && !client.isOver()) await client.send(CHUNKS[shape]);
  if (!client.isOver()) await client.send("\r\n.\r\n");
  await client.reply();
}

/** What a true client says first. */
function clientHello(): Promise<Buffer> {
  return new Promise((resolve) => {
    const wire = new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, done) {
        resolve(chunk);
        done();
      },
    });
    connectTls({ socket: wire, rejectUnauthorized: false }).on("error", () => {});
  });
}

async function handshakes(port: number, clients: number, junk: boolean): Promise<void> {
  const hello = junk ? Buffer.from("NOOP\r\n".repeat(BATCH)) : await clientHello();
  await each(clients, async (i) => {
    const client = await greeted(port, junk ? 17 : 16, 1 + (i % 20));
    await say(client, "STARTTLS");
    await client.send(hello);
  });
}

/** More replies than any buffer between us takes: 90 transactions of 1200 recipients. */
async function deaf(port: number, clients: number): Promise<void> {
  const transaction = `${MAIL}\r\n${`${RCPT}\r\n`.repeat(1200)}RSET\r\n`;
  await each(clients, async (i) => {
    const { socket } = await open(port, 18, 1 + (i % 20), true);
    socket.write(`EHLO flood.test\r\n`);
    for (let n = 0; n < 90; n++) socket.write(transaction);
  });
}

function run(port: number, order: FloodOrder): Promise<void> {
  switch (order.kind) {
    case "slow":
      return slow(port, order.clients, order.addresses);
    case "connect":
      return connectOnly(port, order.clients, order.addresses);
    case "noop":
      return repeat(port, 13, order.commands, (client, nth) =>
        flood(client, "NOOP", nth % 2 === 0 ? 1 : BATCH, order.commands),
      );
    case "rcpt":
      return repeat(port, 14, order.commands, async (client, nth) => {
        await say(client, MAIL);
        return flood(client, RCPT, nth === 0 ? order.commands : BATCH, order.commands);
      });
    case "data":
      return pushData(port, order.shape, order.octets);
    case "handshake":
      return handshakes(port, order.clients, order.junk);
    case "deaf":
      return deaf(port, order.clients);
  }
}

const [port, order] = process.argv.slice(2);
const report = () => {
  const now: FloodReport = { ...tally, replies, goodbyes };
  if (process.connected) process.send?.(now);
};
process.on("disconnect", () => process.exit());
setInterval(report, REPORT_MS);
await run(Number(port), JSON.parse(order ?? "") as FloodOrder);
tally.done = true;
report();
