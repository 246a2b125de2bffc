import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";

/** The word that makes this clamd find something: `[[found NAME]]`. */
const MARK = /\[\[found ([^\]]+)\]\]/;

/** What it does with INSTREAM. The rest of its behaviour is clamd's. */
export type Misbehaviour =
  | "none"
  /** Reads everything, answers nothing. */
  | "hang"
  /** Reads nothing more and answers nothing, to VERSION neither: SIGSTOP. */
  | "stopped"
  | "close-at-once"
  | "close-after-first-chunk"
  | "close-before-reply"
  | "reset-after-first-chunk"
  | "rubbish"
  | "error"
  | "huge-reply"
  | "ok-before-end"
  | "found-before-end"
  | "ok-without-nul"
  | "ok-with-newline"
  | "ok-twice"
  | "ok-in-upper-case"
  | "too-big-after-first-chunk"
  | "half-close-after-first-chunk";

export interface FakeClamd {
  readonly address: string;
  readonly port: number;
  /** The octets of each INSTREAM that came to its end, in order of the ends. */
  readonly streams: readonly Buffer[];
  /** Commands in order of arrival. */
  readonly commands: readonly string[];
  /** INSTREAM conversations without an answer now, and the most there ever were. */
  open(): number;
  mostOpen(): number;
  behave(misbehaviour: Misbehaviour): void;
  /** Ends of streams are answered only after `release` when held. */
  hold(): void;
  release(): void;
  /** Resolves once the condition holds; looks after each event. Fails after 10 s. */
  until(condition: () => boolean): Promise<void>;
  close(): Promise<void>;
}

/** A scripted clamd on a port of its own, or on the port of one that was closed. */
export async function startFakeClamd(port = 0): Promise<FakeClamd> {
  const seen = createSeen();
  const sockets = new Set<Socket>();
  let misbehaviour: Misbehaviour = "none";
  let gate = Promise.resolve();
  let openGate = () => {};

  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("end", () => socket.end());
    socket.on("close", () => sockets.delete(socket));
    const talk = { ...seen.by(socket), misbehaviour: () => misbehaviour, gate: () => gate };
    void serve(socket, talk).catch(() => socket.destroy());
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const bound = (server.address() as AddressInfo).port;

  return {
    ...seen.all,
    address: `127.0.0.1:${bound}`,
    port: bound,
    behave(next) {
      misbehaviour = next;
    },
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>();
      gate = promise;
      openGate = resolve;
    },
    release: () => openGate(),
    async close() {
      openGate();
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** What was seen of all clients, and who waits for more of it. */
function createSeen() {
  const streams: Buffer[] = [];
  const commands: string[] = [];
  const watchers = new Set<() => void>();
  let open = 0;
  let mostOpen = 0;
  const changed = () => {
    for (const watcher of watchers) watcher();
  };
  const by = (socket: Socket): Pick<Conversation, "command" | "opened" | "ended"> => ({
    command(name) {
      commands.push(name);
      changed();
    },
    opened() {
      let counted = true;
      const finished = () => {
        if (counted) open -= 1;
        counted = false;
        changed();
      };
      open += 1;
      mostOpen = Math.max(mostOpen, open);
      changed();
      socket.on("close", finished);
      return finished;
    },
    ended(octets) {
      streams.push(octets);
      changed();
    },
  });
  const until = (condition: () => boolean): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(new Error("condition not met in 10 s")), 10_000);
    const look = () => {
      if (!condition()) return;
      clearTimeout(timer);
      watchers.delete(look);
      resolve();
    };
    watchers.add(look);
    look();
    return promise;
  };
  return { all: { streams, commands, open: () => open, mostOpen: () => mostOpen, until }, by };
}

interface Conversation {
  misbehaviour(): Misbehaviour;
  gate(): Promise<void>;
  command(name: string): void;
  /** Returns the function to call once the answer is due. */
  opened(): () => void;
  ended(octets: Buffer): void;
}

async function serve(socket: Socket, talk: Conversation): Promise<void> {
  const input = createInput(socket);
  const command = (await input.until(0)).toString("latin1");
  talk.command(command);
  if (talk.misbehaviour() === "stopped") return;
  if (command === "zPING") return void socket.end("PONG\0");
  if (command === "zVERSION") {
    const rubbish = talk.misbehaviour() === "rubbish";
    return void socket.end(rubbish ? "SSH-2.0\0" : "ClamAV 1.4.6/27500/Mon Oct 14 08:25:27 2024\0");
  }
  if (command !== "zINSTREAM") return void socket.end("UNKNOWN COMMAND\0");
  await stream(socket, input, talk, talk.opened());
}

async function stream(
  socket: Socket,
  input: Input,
  talk: Conversation,
  finished: () => void,
): Promise<void> {
  const chunks: Buffer[] = [];
  if (talk.misbehaviour() === "close-at-once") return void socket.destroy();
  for (;;) {
    const length = (await input.take(4)).readUInt32BE();
    if (length === 0) break;
    chunks.push(await input.take(length));
    if (chunks.length === 1 && misbehaveEarly(socket, talk.misbehaviour())) return;
  }
  const octets = Buffer.concat(chunks);
  talk.ended(octets);
  await talk.gate();
  const reply = replyTo(octets, talk.misbehaviour());
  if (reply !== null) finished();
  if (reply === "") socket.destroy();
  else if (reply !== null) socket.end(reply);
}

/** True when the conversation is over. */
function misbehaveEarly(socket: Socket, misbehaviour: Misbehaviour): boolean {
  switch (misbehaviour) {
    case "close-after-first-chunk":
      socket.destroy();
      return true;
    case "reset-after-first-chunk":
      socket.resetAndDestroy();
      return true;
    case "half-close-after-first-chunk":
      socket.end();
      return true;
    case "too-big-after-first-chunk":
      socket.end("INSTREAM size limit exceeded. ERROR\0");
      return true;
    case "ok-before-end":
      socket.end("stream: OK\0");
      return true;
    case "found-before-end":
      socket.end("stream: Early.Bird FOUND\0");
      return true;
    default:
      return false;
  }
}

/** "" closes without a reply, null keeps silent. */
function replyTo(octets: Buffer, misbehaviour: Misbehaviour): string | null {
  const found = MARK.exec(octets.toString("latin1"))?.[1];
  const reply = found === undefined ? "stream: OK\0" : `stream: ${found} FOUND\0`;
  switch (misbehaviour) {
    case "hang":
      return null;
    case "close-before-reply":
      return "";
    case "rubbish":
      return "220 mx.example.org ESMTP\r\n\0";
    case "error":
      return "stream: Can't allocate memory ERROR\0";
    case "huge-reply":
      return "stream: OK".padEnd(1024 * 1024, " ");
    case "ok-without-nul":
      return "stream: OK";
    case "ok-with-newline":
      return "stream: OK\n\0";
    case "ok-twice":
      return "stream: OK\0stream: Late.Bird FOUND\0";
    case "ok-in-upper-case":
      return "STREAM: OK\0";
    default:
      return reply;
  }
}

interface Input {
  take(octets: number): Promise<Buffer>;
  /** Up to the octet, without it. */
  until(octet: number): Promise<Buffer>;
}

function createInput(socket: Socket): Input {
  const chunks = socket.iterator({ destroyOnReturn: false });
  let have: Buffer = Buffer.alloc(0);
  const more = async () => {
    const { value, done } = await chunks.next();
    if (done) throw new Error("the client left");
    have = Buffer.concat([have, value as Buffer]);
  };
  const cut = (octets: number, skip = 0) => {
    const taken = have.subarray(0, octets);
    have = have.subarray(octets + skip);
    return taken;
  };
  return {
    async take(octets) {
      while (have.length < octets) await more();
      return cut(octets);
    },
    async until(octet) {
      while (!have.includes(octet)) await more();
      return cut(have.indexOf(octet), 1);
    },
  };
}
