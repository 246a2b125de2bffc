import { connect, type Socket } from "node:net";
import { errorText } from "../../base/errors.ts";
import type { ClamdAddress } from "./clamd-address.ts";

/** clamd's longest replies are a signature name with a hash. More is not clamd. */
const MAX_REPLY_BYTES = 4096;

/** How one connection ended: one whole reply of clamd, or why there was none. */
export type Exchange =
  | { readonly kind: "reply"; readonly text: string }
  | { readonly kind: "refused" | "overflow" | "broken" | "aborted"; readonly reason: string };

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
export function openClamd(address: ClamdAddress, signal: AbortSignal): ClamdConnection {
  const socket = connectTo(address);
  const { promise, resolve } = Promise.withResolvers<Exchange>();
  const wakers = new Set<() => void>();
  const wake = () => {
    for (const waker of wakers) waker();
    wakers.clear();
  };
  let over = false;
  const settle = (exchange: Exchange) => {
    if (over) return;
    over = true;
    signal.removeEventListener("abort", abort);
    socket.destroy();
    wake();
    resolve(exchange);
  };
  const abort = () => settle({ kind: "aborted", reason: errorText(signal.reason) });
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });
  listen(socket, settle);
  socket.on("drain", wake);
  return {
    exchange: promise,
    over: () => over,
    async write(octets) {
      if (over || socket.write(octets)) return;
      await new Promise<void>((woken) => wakers.add(woken));
    },
  };
}

function connectTo(address: ClamdAddress): Socket {
  if (address.kind === "unix") return connect({ path: address.path });
  return connect({ host: address.host, port: address.port, noDelay: true });
}

function listen(socket: Socket, settle: (exchange: Exchange) => void): void {
  let connected = false;
  let received = Buffer.alloc(0);
  socket.on("connect", () => {
    connected = true;
  });
  socket.on("data", (chunk) => {
    received = Buffer.concat([received, chunk]);
    const end = received.indexOf(0);
    if (end === received.length - 1)
      settle({ kind: "reply", text: received.toString("latin1", 0, end) });
    else if (end >= 0) settle({ kind: "broken", reason: "more than one reply" });
    else if (received.length > MAX_REPLY_BYTES)
      settle({ kind: "broken", reason: `reply longer than ${MAX_REPLY_BYTES} octets` });
  });
  // The listener stays for the socket's life: an error after the outcome must not be unhandled.
  socket.on("error", (error: NodeJS.ErrnoException) => {
    // EAGAIN: the listen queue of a UNIX socket is full; clamd is there and busy.
    if (error.code === "EAGAIN") settle({ kind: "overflow", reason: "listen queue full" });
    else settle({ kind: connected ? "broken" : "refused", reason: errorText(error) });
  });
  socket.on("end", () => settle({ kind: "broken", reason: "closed without an answer" }));
  socket.on("close", () => settle({ kind: "broken", reason: "closed without an answer" }));
}

/** Asks for the version, which clamd answers at once even when all its threads are scanning. */
export async function askVersion(address: ClamdAddress, signal: AbortSignal): Promise<Exchange> {
  const connection = openClamd(address, signal);
  await connection.write(Buffer.from("zVERSION\0"));
  return connection.exchange;
}
