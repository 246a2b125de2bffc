import type { Socket } from "node:net";
import type { Clock } from "../base/clock.ts";
import { type ProxySource, parseProxyHeader } from "../net/proxy-protocol.ts";

/** A proxy sends its header with the handshake; one that needs longer is none. */
export const PROXY_HEADER_MS = 5000;
const NOTHING = Buffer.alloc(0);

export interface ProxiedArrival {
  /** Null: the proxy itself. */
  readonly source: ProxySource | null;
  /** What came behind the header. */
  readonly head: Buffer;
}

/**
 * Reads the PROXY header that this peer must send first. `done` is called once, with null when there
 * is none: a wrong one, too late, or the peer has left. When it is called nobody reads from the
 * socket, and until the tick ends the rest is the kernel's, so that the socket may be handed on.
 */
export function readProxyHeader(
  socket: Socket,
  clock: Clock,
  done: (arrival: ProxiedArrival | null) => void,
): void {
  let octets: Buffer = NOTHING;
  const finish = (arrival: ProxiedArrival | null) => {
    cancel();
    socket.off("data", read);
    socket.off("close", leave);
    socket.off("end", leave);
    stopReading(socket);
    done(arrival);
  };
  const leave = () => finish(null);
  const read = (chunk: Buffer) => {
    // Never more than a header is kept: the parser decides as soon as one is complete or too long.
    octets = octets.length === 0 ? chunk : Buffer.concat([octets, chunk]);
    const step = parseProxyHeader(octets);
    if (step.kind === "need-more") return;
    if (step.kind === "invalid") finish(null);
    else finish({ source: step.source, head: Buffer.from(octets.subarray(step.used)) });
  };
  const cancel = clock.after(PROXY_HEADER_MS, leave);
  socket.once("close", leave);
  socket.once("end", leave);
  socket.on("data", read);
  socket.resume();
}

/**
 * `pause` alone stops the events and not the reading: what came until the socket is another
 * process's would be lost. Node does the same for `pauseOnConnect`, and offers no other way.
 */
function stopReading(socket: Socket): void {
  socket.pause();
  const handle: unknown = Reflect.get(socket, "_handle");
  if (typeof handle !== "object" || handle === null) return;
  const readStop: unknown = Reflect.get(handle, "readStop");
  if (typeof readStop !== "function") return;
  Reflect.set(handle, "reading", false);
  readStop.call(handle);
}
