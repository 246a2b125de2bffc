import { isIP, type Socket } from "node:net";
import type { SMTPConnectionOptions } from "nodemailer/lib/smtp-connection";
import type { Clock } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { createClientConnection } from "./client-connection.ts";
import { dial } from "./client-dial.ts";
import { ClientSession, type Lost } from "./client-session.ts";
import { CLIENT_TIMES, type ClientTimes } from "./client-times.ts";
import type { ConnectResult, SmtpConnector, SmtpTarget, TlsMode } from "./smtp-client.ts";

export interface SmtpConnectorOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** What we say in EHLO. */
  readonly hostname: string;
  /** Addresses of a host name, in order of preference; may throw. Not asked for an address. */
  readonly resolveHost: (host: string, signal: AbortSignal) => Promise<readonly string[]>;
  readonly times?: ClientTimes;
  /** PEM of authorities trusted in mode `verified` instead of the system's. */
  readonly authorities?: string;
}

/** A whole reply with all its lines; RFC 5321 4.5.3.1.5 has 512 for each. */
const MAX_REPLY_BYTES = 65_536;

const HOSTNAME = /^[A-Za-z0-9.-]{1,255}$|^\[[0-9A-Fa-f.:IPv]{1,60}\]$/;

/**
 * Sessions with hubs over nodemailer's SMTPConnection. It gets a socket that is connected already:
 * its own way there would ask the system's resolver.
 */
export function createSmtpConnector(options: SmtpConnectorOptions): SmtpConnector {
  if (!HOSTNAME.test(options.hostname)) throw new Error("hostname cannot be spoken in EHLO");
  return {
    async connect(target, tls, signal) {
      const first = await attempt(options, target, tls, signal);
      if (first.kind !== "broken-tls") return first;
      const { log } = options;
      log.warn("hub-tls-failed", { hub: `${target.host}:${target.port}`, reason: first.reason });
      // Opportunistic: whoever can break the handshake could have removed STARTTLS as well.
      const second = await attempt(options, target, "none", signal);
      return second.kind === "broken-tls" ? { ...second, kind: "failed" } : second;
    },
  };
}

type Attempt = ConnectResult | (Omit<Lost, "kind"> & { readonly kind: "broken-tls" });

async function attempt(
  options: SmtpConnectorOptions,
  target: SmtpTarget,
  tls: TlsMode,
  signal: AbortSignal,
): Promise<Attempt> {
  const { clock, times = CLIENT_TIMES } = options;
  try {
    const addresses = isIP(target.host)
      ? [target.host]
      : await options.resolveHost(target.host, signal);
    const dialled = await dial(addresses, target.port, times.connectMs, clock, signal);
    if (dialled.kind === "failed") return { ...dialled, reply: null };
    return await greet(options, target, tls, signal, dialled.socket);
  } catch (error) {
    return { kind: "failed", reason: errorText(error), reply: null };
  }
}

async function greet(
  options: SmtpConnectorOptions,
  target: SmtpTarget,
  tls: TlsMode,
  signal: AbortSignal,
  socket: Socket,
): Promise<Attempt> {
  const { clock, times = CLIENT_TIMES } = options;
  const session = new ClientSession(toSessionOptions(options, target, tls, socket), clock);
  const abort = () => session.fail(errorText(signal.reason));
  signal.addEventListener("abort", abort, { once: true });
  try {
    if (signal.aborted) abort();
    const lost = await session.establish(times.sessionMs);
    if (!lost) return { kind: "connected", connection: createClientConnection(session, times) };
    socket.destroy();
    const { reason, reply } = lost;
    const isBrokenTls = tls === "opportunistic" && session.failedHandshake && !signal.aborted;
    return { kind: isBrokenTls ? "broken-tls" : "failed", reason, reply };
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

function toSessionOptions(
  options: SmtpConnectorOptions,
  target: SmtpTarget,
  tls: TlsMode,
  connection: Socket,
): SMTPConnectionOptions {
  const { hostname, authorities, times = CLIENT_TIMES } = options;
  return {
    connection,
    host: target.host,
    port: target.port,
    secure: false,
    name: hostname,
    // The whole set-up, not only TCP: greetingTimeout is cut short by what is left of it.
    connectionTimeout: times.sessionMs,
    greetingTimeout: times.greetingMs,
    socketTimeout: times.finalMs,
    maxResponseSize: MAX_REPLY_BYTES,
    ignoreTLS: tls === "none",
    requireTLS: tls === "required" || tls === "verified",
    // A refused STARTTLS (not a failed handshake) lets the session go on in the clear.
    opportunisticTLS: tls === "opportunistic",
    tls: {
      minVersion: "TLSv1.2",
      rejectUnauthorized: tls === "verified",
      ...(authorities === undefined ? {} : { ca: authorities }),
    },
  };
}
