import { createServer, type Server, type Socket } from "node:net";
import type { Clock } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Certificate } from "./certificate.ts";
import type { ConnectionCounters } from "./connection-counters.ts";
import { EdgeConnection } from "./edge-connection.ts";
import { createEngine } from "./engine.ts";
import { assertEngineSeam } from "./engine-seam.ts";
import { createFrontDoor } from "./front-door.ts";
import { Session } from "./session.ts";
import type { ClientFacts, ConnectionHandler, ListenerFacts } from "./session-handler.ts";
import type { SmtpLimits } from "./smtp-limits.ts";
import type { SmtpMetrics } from "./smtp-metrics.ts";

/** Connections that the kernel holds while we are busy with others. */
const BACKLOG = 1024;

export interface SmtpListenerOptions {
  readonly handler: ConnectionHandler;
  readonly listener: ListenerFacts;
  readonly listen: { readonly host: string; readonly port: number };
  readonly tls: Certificate;
  /** Asked for each connection, so that a reload holds for the next one. */
  readonly limits: () => SmtpLimits;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: SmtpMetrics;
  /** Shared by the listeners of a gateway. */
  readonly counters: ConnectionCounters;
}

export interface SmtpListener {
  /** Rejects when the address cannot be had. */
  listen(): Promise<void>;
  /** Throws before `listen` has resolved. */
  address(): { readonly host: string; readonly port: number };
  /**
   * No new clients; 421 to those that wait, while what is under way ends. Resolves when all are gone;
   * whoever is left after `deadlineMs` is cut off.
   */
  drain(deadlineMs: number): Promise<void>;
  /** At once. */
  close(): Promise<void>;
}

export function createSmtpListener(options: SmtpListenerOptions): SmtpListener {
  assertEngineSeam();
  const { clock, handler, limits, log, metrics } = options;
  const engine = createEngine(options.tls);
  const connections = new Map<EdgeConnection, Session>();

  const admit = (socket: Socket, client: ClientFacts, leave: () => void) => {
    const connection = new EdgeConnection(engine, socket);
    const session = new Session(
      { handler, client, limits: limits(), clock, log, metrics },
      connection,
    );
    connections.set(connection, session);
    connection.open(session, () => {
      connections.delete(connection);
      leave();
    });
    void session.greet();
  };
  const door = createFrontDoor({ ...options, admit });
  const server = createServer({ noDelay: true }, door.receive);

  const close = async () => {
    const closed = whenClosed(server);
    for (const connection of connections.keys()) connection.destroy();
    door.close();
    await closed;
  };

  return {
    listen: () => listenOn(server, options),
    address: () => addressOf(server),
    async drain(deadlineMs) {
      const closed = whenClosed(server);
      const cancel = clock.after(deadlineMs, () => void close());
      for (const session of connections.values()) session.drain();
      await closed;
      cancel();
    },
    close,
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

/** Resolves when the last connection is gone; also when the server never listened. */
function whenClosed(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
