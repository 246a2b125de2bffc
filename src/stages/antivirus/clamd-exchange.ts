import type { Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { errorText } from "../../base/errors.ts";
import type { Resolver } from "../../net/resolver.ts";
import { connectTcp, type TcpTarget } from "../../net/tcp.ts";

/** clamd's longest replies are a signature name with a hash. More is not clamd. */
const MAX_REPLY_BYTES = 4096;
/** For the other side to close after its reply. */
const LINGER_MS = 1000;

export interface ClamdEndpoint {
  readonly target: TcpTarget;
  /** Looks up a host that is a name. */
  readonly resolver: Resolver;
}

/** How one connection ended: one whole reply of clamd, or why there was none. */
export type Exchange = { readonly kind: "reply"; readonly text: string } | NoReply;

/**
 * `refused`: no connection. `overflow`: its listen queue is full, so it is there and busy. `broken`:
 * closed or reset, or no reply of clamd's. `aborted`: by our own signal.
 */
export type NoReply = {
  readonly kind: "refused" | "overflow" | "broken" | "aborted";
  readonly reason: string;
};

/** One connection to clamd that carries one command and gets one reply. */
export interface ClamdConnection {
  /** Back-pressure: resolves when the socket takes more, or the connection is over. */
  write(octets: Buffer): Promise<void>;
  /** Settles once, never rejects. */
  readonly exchange: Promise<Exchange>;
  over(): boolean;
}

/**
 * Opens a connection. The reply of a z-command ends with a NUL (clamd(8)); a connection that ends
 * before it has no reply, whatever stood there. The signal destroys the socket.
 */
export function openClamd(endpoint: ClamdEndpoint, signal: AbortSignal): ClamdConnection {
  const { promise: exchange, resolve } = Promise.withResolvers<Exchange>();
  let socket: Socket | null = null;
  let over = false;
  let wake = () => {};
  const settle = (outcome: Exchange) => {
    if (over) return;
    over = true;
    signal.removeEventListener("abort", abort);
    if (outcome.kind === "reply" && socket) letCloseFirst(socket);
    else socket?.destroy();
    wake();
    resolve(outcome);
  };
  const abort = () => settle({ kind: "aborted", reason: errorText(signal.reason) });
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });

  const connected = connectTcp(endpoint.target, { signal, resolver: endpoint.resolver }).then(
    (opened) => {
      socket = opened;
      listen(opened, settle);
      opened.on("drain", () => wake());
      if (over) opened.destroy();
    },
    (error) => settle(toRefusal(error)),
  );
  return {
    exchange,
    over: () => over,
    async write(octets) {
      await connected;
      if (over || !socket) return;
      // A turn of the event loop before the next write: clamd may have refused the stream and closed,
      // and a write to a closed socket would lose the reply that waits to be read.
      if (socket.write(octets)) return nextTurn();
      await new Promise<void>((resume) => {
        wake = resume;
      });
    },
  };
}

/**
 * clamd closes after its reply. Who closes first keeps the port for a minute (TIME_WAIT, RFC 9293
 * 3.3.2), and a few messages of a thousand parts each would use up ours.
 */
function letCloseFirst(socket: Socket): void {
  socket.unref();
  socket.setTimeout(LINGER_MS, () => socket.destroy());
}

function listen(socket: Socket, settle: (exchange: Exchange) => void): void {
  let received: Buffer = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    const end = received.indexOf(0);
    if (end >= 0 && end === received.length - 1)
      settle({ kind: "reply", text: received.toString("latin1", 0, end) });
    else if (end >= 0) settle({ kind: "broken", reason: "more than one reply" });
    else if (received.length > MAX_REPLY_BYTES)
      settle({ kind: "broken", reason: `reply longer than ${MAX_REPLY_BYTES} octets` });
  });
  // Stays for the socket's life: an error after the outcome must not be an unhandled one.
  socket.on("error", (error) => settle({ kind: "broken", reason: errorText(error) }));
  const unanswered = () => settle({ kind: "broken", reason: "closed without an answer" });
  // `end` too: `close` waits for our own octets, which a half-closed peer may never take.
  socket.on("end", unanswered);
  socket.on("close", unanswered);
}

function toRefusal(error: unknown): NoReply {
  const cause = error instanceof Error ? error.cause : null;
  // A UNIX socket whose listen queue is full.
  const overflow = cause instanceof Error && "code" in cause && cause.code === "EAGAIN";
  return { kind: overflow ? "overflow" : "refused", reason: errorText(error) };
}

/** Asks for the version, which clamd answers at once even when all its threads are scanning. */
export async function askVersion(endpoint: ClamdEndpoint, signal: AbortSignal): Promise<Exchange> {
  const connection = openClamd(endpoint, signal);
  await connection.write(Buffer.from("zVERSION\0"));
  return connection.exchange;
}
