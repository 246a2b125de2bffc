import type { Socket } from "node:net";

/**
 * For `fork`. Takes the socket it is sent and reads from it only when it is told to; answers every
 * other message, so that the sender can see its own event loop turn.
 */
const taken: { socket: Socket | null } = { socket: null };

process.on("message", (message: unknown, handle: unknown) => {
  if (handle) taken.socket = handle as Socket;
  if (message !== "read") return void process.send?.({ heard: message });
  taken.socket?.once("data", (chunk) => process.send?.({ read: chunk.toString("latin1") }));
  taken.socket?.once("end", () => process.send?.({ read: "" }));
  taken.socket?.resume();
});
