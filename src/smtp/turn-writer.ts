import type { Socket } from "node:net";

/** Those with octets of this turn of the event loop. */
let waiting: Socket[] = [];

/**
 * Writes at the end of this turn of the event loop, all sockets one after the other. A write wakes
 * whoever reads at the other end, which on the same machine costs as much as ten that find it
 * awake: spread over the turn, each of them wakes it anew. What one socket is given within a turn
 * leaves in one segment. `socket.end` sends it too; `socket.destroy` does not.
 */
export function writeWithTurn(socket: Socket, octets: string | Buffer): void {
  if (socket.writableCorked === 0) {
    socket.cork();
    if (waiting.length === 0) setImmediate(sendAll);
    waiting.push(socket);
  }
  socket.write(octets);
}

function sendAll(): void {
  const sockets = waiting;
  waiting = [];
  for (const socket of sockets) socket.uncork();
}
