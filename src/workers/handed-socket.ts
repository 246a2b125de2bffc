import type { Socket } from "node:net";

/**
 * A socket that another process is given stays open here until that process has it, and must not be
 * read here meanwhile: what we read the other would never see. Pausing is not enough. Once data has
 * come (a PROXY header), Node's stream asks for more by itself one tick later (`maybeReadMore`),
 * which starts the reading again; so its way to the kernel is taken from it, for good. May be called again,
 * when the other process died before it had the socket.
 */
export function keepFromReading(socket: Socket): void {
  Object.defineProperty(socket, "_read", { value: () => {}, configurable: true });
}
