import { createServer, type Server } from "node:net";
import { errorText } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { createFrontDoor, type FrontDoorOptions } from "./front-door.ts";

/** Connections that the kernel holds while we are busy with others. */
const BACKLOG = 1024;

export interface SmtpListenerOptions extends FrontDoorOptions {
  readonly listen: { readonly host: string; readonly port: number };
  readonly log: Log;
}

/** A listening socket with its front door. The sessions are a SessionHost's, perhaps of another process. */
export interface SmtpListener {
  /** Rejects when the address cannot be had. */
  listen(): Promise<void>;
  /** Throws before `listen` has resolved. */
  address(): { readonly host: string; readonly port: number };
  /** No new clients. Those who were admitted stay. */
  close(): void;
}

export function createSmtpListener(options: SmtpListenerOptions): SmtpListener {
  const door = createFrontDoor(options);
  // What a client sends is for whoever hosts his session to read.
  const server = createServer({ noDelay: true, pauseOnConnect: true }, door.receive);
  return {
    listen: () => listenOn(server, options),
    address: () => addressOf(server),
    close() {
      server.close();
      door.close();
    },
  };
}

function listenOn(server: Server, options: SmtpListenerOptions): Promise<void> {
  const { listen, listener, log } = options;
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ ...listen, backlog: BACKLOG }, () => {
      server.off("error", reject);
      // Out of descriptors, most likely: the next accept may succeed.
      server.on("error", (error) =>
        log.error("accept-failed", { listener: listener.name, error: errorText(error) }),
      );
      resolve();
    });
  });
}

function addressOf(server: Server): { readonly host: string; readonly port: number } {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("not listening yet");
  return { host: address.address, port: address.port };
}
