import type { Socket } from "node:net";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Authenticator } from "./authenticator.ts";
import { judgeClientCertificate } from "./client-certificate.ts";
import { EdgeConnection, type JudgeClient } from "./edge-connection.ts";
import { createEngine } from "./engine.ts";
import { assertEngineSeam } from "./engine-seam.ts";
import { Greeting } from "./greeting.ts";
import { Harvest } from "./harvest.ts";
import type { SessionReport } from "./known-clients.ts";
import { type ListenerRules, PLAIN_RULES, relayNetwork } from "./listener-rules.ts";
import type { TlsSource } from "./listener-tls.ts";
import { Session } from "./session.ts";
import type { ClientFacts, ConnectionHandler } from "./session-handler.ts";
import type { SmtpLimits } from "./smtp-limits.ts";
import type { SmtpMetrics } from "./smtp-metrics.ts";
import { watchTls } from "./tls-watch.ts";
import { TurnWriter } from "./turn-writer.ts";

/** A client whom the front door let in. */
export interface Arrival {
  /** Nobody has read from it, but for `head`, and nobody reads from it before the tick is over. */
  readonly socket: Socket;
  readonly client: ClientFacts;
  /** Octets that came behind a PROXY header; empty without one. */
  readonly head: Buffer;
  /** He has waited for his greeting before. */
  readonly isKnown: boolean;
  /** How many unknown recipients he named of late. */
  readonly unknownBefore: number;
}

export interface SessionHostOptions {
  readonly handler: ConnectionHandler;
  readonly tls: TlsSource;
  /** Default: those of an internet listener. */
  readonly rules?: ListenerRules;
  /** Judges who logs on. Default: nobody can. */
  readonly authenticator?: Authenticator | null;
  /** Asked for each connection, so that a reload holds for the next one. */
  readonly limits: () => SmtpLimits;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: SmtpMetrics;
  /** Asked for each connection: so many are here that clients get less patience. */
}

/** The sessions of one listener in this process. */
export interface SessionHost {
  /** Begins the session. `leave` is called once, when its socket is closed. */
  admit(arrival: Arrival, leave: (report: SessionReport) => void): void;
  /** The gateway is nearly full, or no longer: holds for those who are here and those to come. */
  stress(on: boolean): void;
  /** 421 to those that wait, while what is under way ends. Resolves when all are gone. */
  drain(deadlineMs: number): Promise<void>;
  /** At once. */
  close(): void;
}

export function createSessionHost(options: SessionHostOptions): SessionHost {
  assertEngineSeam();
  const { clock } = options;
  const open = sessionOpener(options);
  const sessions = new Map<EdgeConnection, Session>();
  let stressed = false;
  let emptied: () => void = () => {};

  const close = () => {
    for (const connection of sessions.keys()) connection.destroy();
  };

  return {
    admit(arrival, leave) {
      const { connection, session, greet } = open(arrival, (report) => {
        sessions.delete(connection);
        leave(report);
        if (sessions.size === 0) emptied();
      });
      sessions.set(connection, session);
      if (stressed) session.stress(true);
      greet();
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

interface OpenSession {
  readonly connection: EdgeConnection;
  readonly session: Session;
  greet(): void;
}

type Open = (arrival: Arrival, closed: (report: SessionReport) => void) => OpenSession;

function sessionOpener(options: SessionHostOptions): Open {
  const { clock, handler, limits, log, metrics, rules = PLAIN_RULES, tls } = options;
  const { authenticator = null } = options;
  const engine = createEngine(tls);
  const turn = new TurnWriter();
  const judge: JudgeClient = (socket) => {
    const trust = tls.current().clients;
    return trust && judgeClientCertificate(socket, trust, clock.now());
  };
  return ({ socket, client: arrived, head, isKnown, unknownBefore }, closed) => {
    const client = { ...arrived, network: relayNetwork(rules, arrived.ip) };
    if (head.length > 0) socket.unshift(head);
    const connection = new EdgeConnection(engine, socket, turn);
    const shared = { client, limits: limits(), clock, metrics, rules };
    const greeting = new Greeting({ ...shared, isKnown });
    const { session: sessionLimits } = shared.limits;
    const listener = client.listener.name;
    const harvest = new Harvest({
      before: unknownBefore,
      limits: sessionLimits,
      metrics,
      listener,
    });
    const parts = { ...shared, handler, greeting, harvest, authenticator, log };
    const session = new Session(parts, connection);
    return {
      connection,
      session,
      greet() {
        const watched = watchTls(session, { client, log, metrics });
        connection.open(
          watched,
          () => closed({ ...greeting.report(), unknown: harvest.count() }),
          judge,
        );
        void session.greet();
      },
    };
  };
}
