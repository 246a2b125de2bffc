import type { Socket } from "node:net";
import { closing } from "./protocol-replies.ts";
import { formatReply } from "./reply.ts";

/** He gets this long to fetch it. */
const LINGER_MS = 1000;

/** 421 for a client whom nobody can serve just now. */
export function refuseBusy(socket: Socket, hostname: string): void {
  socket.setTimeout(LINGER_MS, () => socket.destroy());
  socket.end(`${formatReply(closing(hostname, "unavailable"))}\r\n`);
  socket.resume();
}
