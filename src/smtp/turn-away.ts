import type { Socket } from "node:net";
import type { Clock } from "../base/clock.ts";
import { formatReply, type Reply } from "./reply.ts";

/** A refused client gets this long to fetch its reply. */
const REFUSAL_LINGER_MS = 1000;
/** When more are lingering, the next are cut off without a word: descriptors are for mail. */
const MAX_LINGERING = 256;

/** Says one line to clients who get no session. */
export interface Bouncer {
  turnAway(socket: Socket, reply: Reply): void;
  /** Cuts off who is still being told to go away. */
  close(): void;
}

export function createBouncer(clock: Clock): Bouncer {
  const lingering = new Set<Socket>();
  return {
    turnAway(socket, reply) {
      if (lingering.size >= MAX_LINGERING) {
        socket.destroy();
        return;
      }
      lingering.add(socket);
      const cancel = clock.after(REFUSAL_LINGER_MS, () => socket.destroy());
      socket.once("close", () => {
        cancel();
        lingering.delete(socket);
      });
      socket.end(`${formatReply(reply)}\r\n`);
      // Without reading, the client's end would go unnoticed.
      socket.resume();
    },
    close() {
      for (const socket of lingering) socket.destroy();
    },
  };
}
