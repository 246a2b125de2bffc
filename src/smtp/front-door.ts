import type { Socket } from "node:net";
import type { Clock } from "../base/clock.ts";
import { type Cidr, canonicalIp, isInside, prefixKey } from "../net/ip.ts";
import type { ConnectionCounters, CountedConnection } from "./connection-counters.ts";
import type { HarvestCounts } from "./harvest-counts.ts";
import type { KnownClients, SessionReport } from "./known-clients.ts";
import { closing, notAllowed } from "./protocol-replies.ts";
import { type ProxiedArrival, readProxyHeader } from "./proxied-arrival.ts";
import type { ListenerFacts } from "./session-handler.ts";
import type { Arrival } from "./session-host.ts";
import type { SmtpLimits } from "./smtp-limits.ts";
import type { SmtpMetrics } from "./smtp-metrics.ts";
import { type Bouncer, createBouncer } from "./turn-away.ts";

/** Proxies send their header at once, so that hardly any wait; each may keep a header in memory. */
const MAX_AWAITED_HEADERS = 256;
const NOTHING = Buffer.alloc(0);

/** Who may connect to a listener, by address. */
export interface DoorRules {
  /** Peers that must send a PROXY header, and whose word on the client's address counts. */
  readonly proxies: readonly Cidr[];
  /** The only clients that are served; null: everybody. */
  readonly from: readonly Cidr[] | null;
}

export interface FrontDoorOptions {
  readonly listener: ListenerFacts;
  readonly rules: DoorRules;
  /** Those of this listener. */
  readonly limits: () => Pick<SmtpLimits, "connections">;
  readonly clock: Clock;
  readonly counters: ConnectionCounters;
  readonly known: KnownClients;
  readonly harvest: HarvestCounts;
  readonly metrics: Pick<SmtpMetrics, "connections">;
  /**
   * Takes whom the door lets in, and calls `leave` once his socket is closed. Whoever hands the socket
   * to another process does so before it returns.
   */
  readonly admit: (arrival: Arrival, leave: (report: SessionReport) => void) => void;
}

export interface FrontDoor {
  receive(socket: Socket): void;
  /** Cuts off who is on the doorstep: told to go away, or yet to say for whom he comes. */
  close(): void;
}

type Outcome =
  | "accepted"
  | "not-allowed"
  | "no-proxy-header"
  | "too-many"
  | "too-many-of-client"
  | "too-fast";

/** Somebody who knocks. */
interface Visitor {
  readonly socket: Socket;
  /** The peer of the socket: the client, or a proxy before it. */
  readonly peer: string;
  readonly connection: CountedConnection;
}

/** What the steps of one door share. */
interface Door extends FrontDoorOptions {
  readonly bouncer: Bouncer;
  /** Those who have yet to send their PROXY header. */
  readonly awaited: Set<Socket>;
}

/**
 * Counts a connection, learns for whom it is, and refuses the surplus before anything else is done
 * for it: no handler, no TLS, no buffer (threats.md R2). What is counted for a client is counted for
 * the true one behind a proxy. A connection whose PROXY header is awaited counts among all.
 */
export function createFrontDoor(options: FrontDoorOptions): FrontDoor {
  const door: Door = { ...options, bouncer: createBouncer(options.clock), awaited: new Set() };
  return {
    receive(socket) {
      // A reset between here and the session must not end the process.
      socket.on("error", () => socket.destroy());
      const peer = canonicalIp(socket.remoteAddress ?? "");
      if (peer === null) socket.destroy();
      else welcome(door, { socket, peer, connection: door.counters.enter(door.listener.name) });
    },
    close() {
      door.bouncer.close();
      for (const socket of door.awaited) socket.destroy();
    },
  };
}

function welcome(door: Door, visitor: Visitor): void {
  const { peer, connection } = visitor;
  if (isFull(connection, door.counters, door.limits().connections))
    dismiss(door, visitor, "too-many", peer);
  else if (!isAmong(peer, door.rules.proxies))
    judge(door, visitor, { source: null, head: NOTHING });
  else if (door.awaited.size >= MAX_AWAITED_HEADERS)
    dismiss(door, visitor, "no-proxy-header", peer);
  else awaitHeader(door, visitor);
}

function awaitHeader(door: Door, visitor: Visitor): void {
  door.awaited.add(visitor.socket);
  readProxyHeader(visitor.socket, door.clock, (arrival) => {
    door.awaited.delete(visitor.socket);
    if (arrival) judge(door, visitor, arrival);
    else dismiss(door, visitor, "no-proxy-header", visitor.peer);
  });
}

function judge(door: Door, visitor: Visitor, { source, head }: ProxiedArrival): void {
  const { socket, peer, connection } = visitor;
  const { harvest, known, limits, listener, metrics, rules } = door;
  const ip = source?.ip ?? peer;
  const client = prefixKey(ip);
  const isAllowed = rules.from === null || isAmong(ip, rules.from);
  const outcome = isAllowed ? judgeClient(connection, client, limits().connections) : "not-allowed";
  if (outcome !== "accepted") {
    dismiss(door, visitor, outcome, ip);
    return;
  }
  metrics.connections.add({ listener: listener.name, outcome });
  const port = source?.port ?? socket.remotePort ?? 0;
  const facts = { ip, port, ...(source && { via: peer }), listener };
  // A proxy that checks our health takes the first line of a greeting for all of it. haproxy says LOCAL
  // in version 2, and in version 1 its own address.
  const isProxy = ip === peer && isAmong(peer, rules.proxies);
  const isKnown = isProxy || known.has(client);
  const unknownBefore = harvest.of(client);
  door.admit({ socket, client: facts, head, isKnown, unknownBefore }, (report) => {
    connection.leave();
    known.learn(client, report);
    harvest.add(client, report.unknown ?? 0);
  });
}

function dismiss(door: Door, { socket, connection }: Visitor, outcome: Outcome, ip: string): void {
  const { bouncer, listener, metrics } = door;
  metrics.connections.add({ listener: listener.name, outcome });
  // Who is told to go takes no place while he lingers: one client could fill them all.
  connection.leave();
  if (outcome === "no-proxy-header") socket.destroy();
  else if (outcome === "not-allowed") bouncer.turnAway(socket, notAllowed(listener.hostname, ip));
  else bouncer.turnAway(socket, closing(listener.hostname, "too-many-connections"));
}

function isAmong(ip: string, ranges: readonly Cidr[]): boolean {
  return ranges.some((range) => isInside(ip, range));
}

/** The gateway's own limit counts all; that of a listener, when it has one, its own. */
function isFull(
  { all, ofListener }: CountedConnection,
  counters: ConnectionCounters,
  limits: SmtpLimits["connections"],
): boolean {
  return all > counters.max() || ofListener > limits.max;
}

function judgeClient(
  connection: CountedConnection,
  client: string,
  limits: SmtpLimits["connections"],
): Outcome {
  const { open, newThisMinute } = connection.countFor(client);
  if (open > limits.perClient) return "too-many-of-client";
  return newThisMinute > limits.newPerClientPerMinute ? "too-fast" : "accepted";
}
