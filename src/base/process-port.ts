import type { Socket } from "node:net";
import type { ProcessPort } from "./process-channel.ts";

/** What both ends of node's IPC channel have: a child as its parent sees it, and `process`. */
interface IpcEnd {
  send?:
    | ((message: never, handle?: Socket, options?: object, callback?: () => void) => boolean)
    | undefined;
  on(event: "message", listener: (message: unknown, handle: unknown) => void): unknown;
  on(event: "disconnect", listener: () => void): unknown;
}

/** Node tells the end of a channel by `disconnect`; a send that fails later is no crash of ours. */
export function toProcessPort(end: IpcEnd): ProcessPort {
  return {
    send(message, socket) {
      end.send?.(message as never, socket, { keepOpen: true }, () => {});
    },
    onMessage: (listener) =>
      void end.on("message", (message, handle) => listener(message, handle as Socket | undefined)),
    onClose: (listener) => void end.on("disconnect", listener),
  };
}
