import { createSocket, type RemoteInfo, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { decode } from "dns-packet";
import { dnsAnswer, type FakeHost, type FakeZone, forgedAnswers } from "./fake-dns-answer.ts";
import { isLie, type Lie, toLies } from "./fake-dns-lies.ts";

export type { FakeHost, FakeZone } from "./fake-dns-answer.ts";

/** What the server does with one query. */
export type Behaviour =
  | "answer"
  | "drop"
  | "servfail"
  | "refused"
  /** Truncated over UDP, whole over TCP. */
  | "truncate"
  | "truncate-always"
  /** Truncated over UDP, and over TCP the connection ends within the answer. */
  | "cut-tcp"
  /** Another id, another question, another port, rubbish: and then the true answer. */
  | "forge-then-answer"
  /** More forged answers than anybody may send. */
  | "forge"
  /** The answer to each query comes when the next query of that name and type does. */
  | "late"
  /** A lie, and never the true answer. */
  | Lie;

export interface FakeDns {
  /** For `dns.servers` of the settings: `127.0.0.1:40000`. */
  readonly address: string;
  /** Every query received: `"A mail.example.org udp"`. */
  readonly queries: readonly string[];
  /** Queries whose text starts with this. */
  count(start?: string): number;
  setZone(zone: FakeZone): void;
  /** What is done with the next queries of one name, in turn; the last one for all that follow. */
  behave(name: string, ...behaviours: readonly Behaviour[]): void;
  /** Told of each query that is left without an answer, so that a fake clock can move on. */
  onDrop(listener: () => void): void;
  close(): Promise<void>;
}

export interface FakeDnsOptions {
  readonly host?: "127.0.0.1" | "::1";
  /** TTL and minimum of the SOA of negative answers; null: no SOA. */
  readonly negativeTtl?: number | null;
}

/** A DNS server on loopback, UDP and TCP on one port, with its zone as data. */
export async function startFakeDns(
  zone: FakeZone,
  { host = "127.0.0.1", negativeTtl = 60 }: FakeDnsOptions = {},
): Promise<FakeDns> {
  let current = lowerNames(zone);
  const queries: string[] = [];
  const scripts = new Map<string, Behaviour[]>();
  const listeners: (() => void)[] = [];
  const connections = new Set<Socket>();

  const handle = (bytes: Buffer, transport: "udp" | "tcp"): Reaction => {
    const query = decode(bytes);
    const [question] = query.questions ?? [];
    if (!question) return { behaviour: "drop", replies: [] };
    const name = question.name.toLowerCase();
    queries.push(`${question.type} ${name} ${transport}`);
    const behaviour = nextBehaviour(scripts.get(name));
    const answer = dnsAnswer(current, query, { transport, behaviour, negativeTtl });
    const dropped = answer === null || behaviour === "drop";
    if (dropped) for (const listener of listeners) listener();
    return { behaviour, replies: dropped ? [] : [answer] };
  };

  const [udp, tcp] = await listenOnOnePort(host);
  const stranger = createSocket(host === "::1" ? "udp6" : "udp4");
  const late = new Map<string, () => void>();
  udp.on("message", (bytes, from) => {
    const { behaviour, replies } = handle(bytes, "udp");
    const answer = () => answerUdp({ udp, stranger, bytes, from, behaviour, replies });
    if (behaviour !== "late") return answer();
    const [question] = decode(bytes).questions ?? [];
    const key = `${question?.type} ${question?.name}`;
    late.get(key)?.();
    late.set(key, answer);
  });
  tcp.on("connection", (socket) => {
    connections.add(socket);
    socket.on("close", () => connections.delete(socket));
    socket.on("error", () => {});
    void answerTcp(socket, (bytes) => handle(bytes, "tcp")).catch(() => socket.destroy());
  });
  const { port } = udp.address();
  return {
    address: host === "::1" ? `[::1]:${port}` : `${host}:${port}`,
    queries,
    count: (start = "") => queries.filter((query) => query.startsWith(start)).length,
    setZone(next) {
      current = lowerNames(next);
    },
    behave: (name, ...behaviours) => void scripts.set(name.toLowerCase(), [...behaviours]),
    onDrop: (listener) => void listeners.push(listener),
    async close() {
      for (const socket of connections) socket.destroy();
      udp.close();
      stranger.close();
      tcp.close();
      await once(tcp, "close");
    },
  };
}

interface Reaction {
  readonly behaviour: Behaviour;
  readonly replies: readonly Buffer[];
}

function nextBehaviour(script: Behaviour[] | undefined): Behaviour {
  if (!script || script.length === 0) return "answer";
  return (script.length > 1 ? script.shift() : script[0]) ?? "answer";
}

function lowerNames(zone: FakeZone): ReadonlyMap<string, FakeHost> {
  return new Map(Object.entries(zone).map(([name, host]) => [name.toLowerCase(), host]));
}

interface UdpReply extends Reaction {
  readonly udp: UdpSocket;
  readonly stranger: UdpSocket;
  readonly bytes: Buffer;
  readonly from: RemoteInfo;
}

const FORGED_ROUNDS = 10;

function answerUdp({ udp, stranger, bytes, from, behaviour, replies }: UdpReply): void {
  const rounds = behaviour === "forge" ? FORGED_ROUNDS : behaviour === "forge-then-answer" ? 1 : 0;
  const send = (socket: UdpSocket, reply: Buffer) => socket.send(reply, from.port, from.address);
  if (isLie(behaviour)) {
    const teller = behaviour === "wrong-source" ? stranger : udp;
    for (const lie of toLies(behaviour, decode(bytes))) send(teller, lie);
    return;
  }
  for (let round = 0; round < rounds; round++) {
    const { fromServer, fromStranger } = forgedAnswers(decode(bytes));
    for (const reply of fromStranger) send(stranger, reply);
    for (const reply of fromServer) send(udp, reply);
  }
  if (behaviour !== "forge") for (const reply of replies) send(udp, reply);
}

async function answerTcp(socket: Socket, handle: (bytes: Buffer) => Reaction): Promise<void> {
  let received = Buffer.alloc(0);
  for await (const chunk of socket) {
    received = Buffer.concat([received, chunk]);
    if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) continue;
    const { behaviour, replies } = handle(received.subarray(2));
    for (const reply of replies) {
      const frame = Buffer.concat([Buffer.from([reply.length >> 8, reply.length & 255]), reply]);
      if (behaviour === "cut-tcp") return void socket.end(frame.subarray(0, frame.length - 1));
      socket.write(frame);
    }
  }
}

/** The port that UDP got may be taken on TCP, so this may need another. */
async function listenOnOnePort(host: string): Promise<readonly [UdpSocket, Server]> {
  for (;;) {
    const udp = createSocket(host === "::1" ? "udp6" : "udp4");
    udp.bind(0, host);
    await once(udp, "listening");
    const tcp = createServer();
    tcp.listen(udp.address().port, host);
    // `once` rejects when there is an 'error' instead.
    const isFree = await once(tcp, "listening").then(
      () => true,
      () => false,
    );
    if (isFree) return [udp, tcp];
    udp.close();
  }
}
