import type { Socket } from "node:net";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { judgeClientCertificate } from "./client-certificate.ts";
import { EdgeConnection, type JudgeClient } from "./edge-connection.ts";
import { createEngine } from "./engine.ts";
import { assertEngineSeam } from "./engine-seam.ts";
import { type ListenerRules, PLAIN_RULES, relayNetwork } from "./listener-rules.ts";
import type { TlsSource } from "./listener-tls.ts";
import { Session } from "./session.ts";
import type { ClientFacts, ConnectionHandler } from "./session-handler.ts";
import type { SmtpLimits } from "./smtp-limits.ts";
import type { SmtpMetrics } from "./smtp-metrics.ts";
import { watchTls } from "./tls-watch.ts";

/** A client whom the front door let in. */
export interface Arrival {
  /** Nobody has read from it, but for `head`. */
  readonly socket: Socket;
  readonly client: ClientFacts;
  /** Octets that came behind a PROXY header; empty without one. */
  readonly head: Buffer;
}

export interface SessionHostOptions {
  readonly handler: ConnectionHandler;
  readonly tls: TlsSource;
  /** Default: those of an internet listener. */
  readonly rules?: ListenerRules;
  /** Asked for each connection, so that a reload holds for the next one. */
  readonly limits: () => SmtpLimits;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: SmtpMetrics;
}

/** The sessions of one listener in this process. */
export interface SessionHost {
  /** Begins the session. `leave` is called once, when its socket is closed. */
  admit(arrival: Arrival, leave: () => void): void;
  /** The gateway is nearly full, or no longer: holds for those who are here and those to come. */
  stress(on: boolean): void;
  /** 421 to those that wait, while what is under way ends. Resolves when all are gone. */
  drain(deadlineMs: number): Promise<void>;
  /** At once. */
  close(): void;
}

export function createSessionHost(options: SessionHostOptions): SessionHost {
  assertEngineSeam();
  const { clock, handler, limits, log, metrics, rules = PLAIN_RULES } = options;
  const judge: JudgeClient = (socket) => {
    const trust = options.tls.current().clients;
    return trust && judgeClientCertificate(socket, trust, clock.now());
  };
  const engine = createEngine(options.tls);
  const sessions = new Map<EdgeConnection, Session>();
  let stressed = false;
  let emptied: () => void = () => {};

  const close = () => {
    for (const connection of sessions.keys()) connection.destroy();
  };

  return {
    admit({ socket, client: arrived, head }, leave) {
      const client = { ...arrived, network: relayNetwork(rules, arrived.ip) };
      if (head.length > 0) socket.unshift(head);
      const connection = new EdgeConnection(engine, socket);
      const session = new Session(
        { handler, client, limits: limits(), clock, log, metrics, rules },
        connection,
      );
      if (stressed) session.stress(true);
      sessions.set(connection, session);
      const closed = () => {
        sessions.delete(connection);
        leave();
        if (sessions.size === 0) emptied();
      };
      connection.open(watchTls(session, { client, log, metrics }), closed, judge);
      void session.greet();
    },
    stress(on) {
      stressed = on;
      for (const session of sessions.values()) session.stress(on);
    },
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
