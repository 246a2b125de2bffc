import { isIP, type Socket } from "node:net";
import type { SMTPConnectionOptions } from "nodemailer/lib/smtp-connection";
import type { Clock } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { authenticate } from "./client-auth.ts";
import { createClientConnection, type Established } from "./client-connection.ts";
import { dial } from "./client-dial.ts";
import { ClientSession } from "./client-session.ts";
import { CLIENT_TIMES, type ClientTimes } from "./client-times.ts";
import type { RemoteTls, TlsFault } from "./remote-tls.ts";
import type {
  ConnectFailure,
  ConnectHow,
  ConnectResult,
  SmtpConnector,
  SmtpTarget,
} from "./smtp-client.ts";
import { TurnWriter } from "./turn-writer.ts";
import { peerOf, verifyPeer } from "./verify-peer.ts";

export interface SmtpConnectorOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** What we say in EHLO, unless `how` has another name. */
  readonly hostname: string;
  /** Addresses of a host name, in order of preference; may throw. Not asked for an address. */
  readonly resolveHost: (host: string, signal: AbortSignal) => Promise<readonly string[]>;
  readonly times?: ClientTimes;
  /** PEM of authorities trusted instead of the system's, where a demand names none. */
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
  const dialler: Dialler = { ...options, turn: new TurnWriter() };
  return {
    async connect(target, how, signal) {
      if (how.ehlo !== undefined && !HOSTNAME.test(how.ehlo))
        return failed("our name cannot be spoken in EHLO");
      const first = await attempt(dialler, target, how, signal);
      const isBroken = first.kind === "failed" && first.tlsFault === "handshake";
      if (!isBroken || how.tls.kind !== "opportunistic" || signal.aborted) return first;
      const { log } = options;
      log.warn("hub-tls-failed", { hub: `${target.host}:${target.port}`, reason: first.reason });
      // Opportunistic: whoever can break the handshake could have removed STARTTLS as well.
      const second = await attempt(dialler, target, { ...how, tls: { kind: "none" } }, signal);
      return second.kind === "failed" ? second : { ...second, brokenTls: first.reason };
    },
  };
}

interface Dialler extends SmtpConnectorOptions {
  /** Of all its sessions. */
  readonly turn: TurnWriter;
}

async function attempt(
  options: Dialler,
  target: SmtpTarget,
  how: ConnectHow,
  signal: AbortSignal,
): Promise<ConnectResult> {
  const { clock, times = CLIENT_TIMES } = options;
  const { localAddresses = [], connectMs: limitMs = times.connectMs } = how;
  try {
    const addresses = await addressesOf(options, target, signal);
    const order = { addresses, port: target.port, localAddresses, limitMs };
    const dialled = await dial(order, clock, signal);
    if (dialled.kind === "failed") return failed(dialled.reason);
    return await greet(options, target, how, signal, dialled.socket);
  } catch (error) {
    return failed(errorText(error));
  }
}

async function addressesOf(
  { resolveHost }: SmtpConnectorOptions,
  { host, address }: SmtpTarget,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (address !== undefined) return [address];
  return isIP(host) ? [host] : resolveHost(host, signal);
}

async function greet(
  options: Dialler,
  target: SmtpTarget,
  how: ConnectHow,
  signal: AbortSignal,
  socket: Socket,
): Promise<ConnectResult> {
  const { clock, times = CLIENT_TIMES, turn } = options;
  const session = new ClientSession(toSessionOptions(options, target, how, socket), clock, turn);
  const abort = () => session.fail(errorText(signal.reason));
  signal.addEventListener("abort", abort, { once: true });
  try {
    if (signal.aborted) abort();
    const address = socket.remoteAddress ?? target.address ?? target.host;
    const ends = { address, ...(socket.localAddress && { ownAddress: socket.localAddress }) };
    const lost = await session.establish(times.sessionMs);
    const result = lost ? { ...lost, kind: "failed" as const } : await prove(session, how, times);
    if (result.kind === "failed") {
      const fault = session.tlsFault;
      session.fail(result.reason);
      socket.destroy();
      if (result.tlsFault !== undefined) return { ...result, ...ends };
      if (fault === null) return result;
      const reason = `${FAULTS[fault]}: ${result.reason}`;
      return { ...result, ...ends, tlsFault: fault, reason };
    }
    const established: Established = { tls: result.tls, ...ends };
    return { kind: "connected", connection: createClientConnection(session, times, established) };
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** A bare "502 command not implemented" would tell an operator nothing. */
const FAULTS = { starttls: "no STARTTLS", handshake: "TLS handshake" } as const;

type Proof = { readonly kind: "proved"; readonly tls: RemoteTls | null } | ConnectFailure;

/** Who the server is, then who we are. */
async function prove(session: ClientSession, how: ConnectHow, times: ClientTimes): Promise<Proof> {
  const tls = tlsOf(session, how);
  if (tls?.kind === "failed") return tls;
  const { auth } = how;
  if (!auth) return { kind: "proved", tls: tls?.tls ?? null };
  // The policy demands TLS for it; here as well, because a password cannot be taken back.
  if (!tls) return failed("a password is said in TLS only");
  const lost = await authenticate(session, auth, times);
  if (!lost) return { kind: "proved", tls: tls.tls };
  return { ...failed(lost.reason, lost.reply), isOurAuth: lost.reply?.code !== 421 };
}

function tlsOf(
  session: ClientSession,
  { tls: demand }: ConnectHow,
): { readonly kind: "secured"; readonly tls: RemoteTls } | ConnectFailure | null {
  const socket = session.tlsSocket;
  if (!socket) {
    const isFree = demand.kind === "none" || demand.kind === "opportunistic";
    return isFree ? null : failed("the session is not in TLS", null, "starttls");
  }
  const verdict = verifyPeer(peerOf(socket), demand);
  if (verdict.kind === "refused") return failed(verdict.reason, null, verdict.fault);
  const { by: verified, match, unmet } = verdict;
  const protocol = socket.getProtocol() ?? "unknown";
  const cipher = socket.getCipher().standardName;
  return {
    kind: "secured",
    tls: {
      protocol,
      cipher,
      verified,
      ...(match !== undefined && { match }),
      ...(unmet && { unmet }),
    },
  };
}

function failed(
  reason: string,
  reply: ConnectFailure["reply"] = null,
  tlsFault?: TlsFault,
): ConnectFailure {
  return { kind: "failed", reason, reply, ...(tlsFault !== undefined && { tlsFault }) };
}

function toSessionOptions(
  options: SmtpConnectorOptions,
  target: SmtpTarget,
  { tls, identity, ehlo }: ConnectHow,
  connection: Socket,
): SMTPConnectionOptions {
  const { hostname, authorities, times = CLIENT_TIMES } = options;
  const verified = tls.kind === "verified" ? tls : "wish" in tls ? tls.wish : undefined;
  const ca = verified?.ca ?? authorities;
  const [servername] = tls.kind === "dane" ? tls.names : [];
  return {
    connection,
    host: target.host,
    port: target.port,
    secure: false,
    name: ehlo ?? hostname,
    // The whole set-up, not only TCP: greetingTimeout is cut short by what is left of it.
    connectionTimeout: times.sessionMs,
    greetingTimeout: times.greetingMs,
    socketTimeout: times.finalMs,
    maxResponseSize: MAX_REPLY_BYTES,
    ignoreTLS: tls.kind === "none",
    requireTLS: tls.kind !== "none" && tls.kind !== "opportunistic",
    // A refused STARTTLS (not a failed handshake) lets the session go on in the clear.
    opportunisticTLS: tls.kind === "opportunistic",
    tls: {
      minVersion: "TLSv1.2",
      // verify-peer.ts judges: the chain by what OpenSSL found, and names by its own rule.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      ...(ca !== undefined && { ca }),
      ...(servername !== undefined && { servername }),
      ...identity,
    },
  };
}
