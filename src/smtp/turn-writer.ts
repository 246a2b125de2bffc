import type { Socket } from "node:net";

/**
 * Writes at the end of this turn of the event loop, behind what the others are given meanwhile. A write wakes
 * whoever reads at the other end, which on the same machine costs as much as ten that find it
 * awake: spread over the turn, each of them wakes it anew. What one socket is given within a turn
 * leaves in one segment and in order, what is written past this function included. `socket.end` sends
 * it at once; `socket.destroy` drops it: then not one octet of it has left.
 */
export function writeWithTurn(socket: Socket, octets: string | Buffer): void {
  if (socket.writableCorked === 0) {
    socket.cork();
    setImmediate(send, socket);
  }
  socket.write(octets);
}

/** One of this turn for each socket: they run one after the other, and none depends on another. */
function send(socket: Socket): void {
  socket.uncork();
}
