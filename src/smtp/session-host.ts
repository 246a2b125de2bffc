import type { Socket } from "node:net";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Certificate } from "./certificate.ts";
import { EdgeConnection } from "./edge-connection.ts";
import { createEngine } from "./engine.ts";
import { assertEngineSeam } from "./engine-seam.ts";
import { Greeting } from "./greeting.ts";
import type { SessionReport } from "./known-clients.ts";
import { Session } from "./session.ts";
import type { ClientFacts, ConnectionHandler } from "./session-handler.ts";
import type { SmtpLimits } from "./smtp-limits.ts";
import type { SmtpMetrics } from "./smtp-metrics.ts";

/** A client whom the front door let in. */
export interface Arrival {
  /** Nobody has read from it, but for `head`, and nobody reads from it before the tick is over. */
  readonly socket: Socket;
  readonly client: ClientFacts;
  /** Octets that came behind a PROXY header; empty without one. */
  readonly head: Buffer;
  /** He has waited for his greeting before. */
  readonly isKnown: boolean;
}

export interface SessionHostOptions {
  readonly handler: ConnectionHandler;
  readonly tls: Certificate;
  /** Asked for each connection, so that a reload holds for the next one. */
  readonly limits: () => SmtpLimits;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: SmtpMetrics;
  /** Asked for each connection: so many are here that clients get less patience. */
  readonly isStressed: () => boolean;
}

/** The sessions of one listener in this process. */
export interface SessionHost {
  /** Begins the session. `leave` is called once, when its socket is closed. */
  admit(arrival: Arrival, leave: (report: SessionReport) => void): void;
  /** Stress began or ended: tells those who are here. */
  stress(isOn: boolean): void;
  /** 421 to those that wait, while what is under way ends. Resolves when all are gone. */
  drain(deadlineMs: number): Promise<void>;
  /** At once. */
  close(): void;
}

export function createSessionHost(options: SessionHostOptions): SessionHost {
  assertEngineSeam();
  const { clock, handler, limits, log, metrics } = options;
  const engine = createEngine(options.tls);
  const sessions = new Map<EdgeConnection, Session>();
  let emptied: () => void = () => {};

  const close = () => {
    for (const connection of sessions.keys()) connection.destroy();
  };

  return {
    admit({ socket, client, head, isKnown }, leave) {
      if (head.length > 0) socket.unshift(head);
      const connection = new EdgeConnection(engine, socket);
      const shared = { client, limits: limits(), clock, metrics };
      const greeting = new Greeting({ ...shared, isKnown });
      const session = new Session({ ...shared, handler, greeting, log }, connection);
      sessions.set(connection, session);
      connection.open(session, () => {
        sessions.delete(connection);
        leave(greeting.report());
        if (sessions.size === 0) emptied();
      });
      void session.greet();
    },
    // No session is touched yet: what stress means to one is the session's to say.
    stress() {},
    async drain(deadlineMs) {
      const { promise, resolve } = Promise.withResolvers<void>();
      emptied = resolve;
      const cancel = clock.after(deadlineMs, close);
      for (const session of sessions.values()) session.drain();
      if (sessions.size === 0) resolve();
      await promise;
      cancel();
    },
    close,
  };
}
