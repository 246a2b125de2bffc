import type { Socket } from "node:net";

/**
 * Writes at the end of this turn of the event loop, all sockets one after the other. A write wakes
 * whoever reads at the other end, which on the same machine costs as much as ten that find it
 * awake: spread over the turn, each of them wakes it anew. What one socket is given within a turn
 * leaves in one segment and in order, what is written past this writer included. `socket.end` sends
 * it at once; `socket.destroy` drops it: then not one octet of it has left.
 */
export class TurnWriter {
  #waiting: Socket[] = [];

  write(socket: Socket, octets: string | Buffer): void {
    if (socket.writableCorked === 0) {
      socket.cork();
      if (this.#waiting.length === 0) setImmediate(() => this.#sendAll());
      this.#waiting.push(socket);
    }
    socket.write(octets);
  }

  /** What goes wrong with a socket is told by its events: none keeps the others waiting. */
  #sendAll(): void {
    const sockets = this.#waiting;
    this.#waiting = [];
    for (const socket of sockets) socket.uncork();
  }
}
