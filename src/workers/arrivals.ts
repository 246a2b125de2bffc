import type { ProcessChannel } from "../base/process-channel.ts";
import type { SessionReport } from "../smtp/known-clients.ts";
import type { ClientFacts } from "../smtp/session-handler.ts";
import type { Arrival } from "../smtp/session-host.ts";
import { keepFromReading } from "./handed-socket.ts";

/** What travels beside the socket of an arrival. */
export interface HandedArrival {
  /** Names the connection to both sides until the client has left. */
  readonly connection: number;
  readonly client: ClientFacts;
  readonly head: Uint8Array;
  readonly isKnown: boolean;
  readonly unknownBefore: number;
}

/** What is told when the client has left. */
export interface LeftArrival {
  readonly connection: number;
  readonly report: SessionReport;
}

/** Of a client whose session ended with its process, or never began. */
export const NOTHING_TO_REPORT: SessionReport = { greeting: "not-tested" };

type Leave = (report: SessionReport) => void;

/** A process that hosts sessions. */
export interface Host {
  readonly name: string;
  channel(): Pick<ProcessChannel<Record<string, never>>, "hand"> | null;
}

/**
 * Deals clients out to the processes that host sessions, to the one with the fewest. Which client is
 * where is known here, so that a process that dies gives back the places of its clients, and those
 * who had not been seated yet go to another.
 */
export interface Arrivals {
  /** False when no process can take anybody. */
  admit(arrival: Arrival, leave: Leave): boolean;
  /** The process has the socket. */
  seated(connection: number): void;
  /** A client has left. */
  left(end: LeftArrival): void;
  /** The process is gone, and with it its clients. `refuse` takes those whom nobody else can. */
  gone(host: string, refuse: (arrival: Arrival) => void): void;
}

interface Guest {
  readonly host: string;
  readonly arrival: Arrival;
  readonly leave: Leave;
  isSeated: boolean;
}

export function createArrivals(hosts: () => readonly Host[]): Arrivals {
  const guests = new Map<number, Guest>();
  const crowds = new Map<string, number>();
  let next = 1;

  const remove = (connection: number): Guest | null => {
    const guest = guests.get(connection);
    if (!guest) return null;
    guests.delete(connection);
    count(crowds, guest.host, -1);
    return guest;
  };
  const admit = (arrival: Arrival, leave: Leave): boolean => {
    const host = pick(hosts(), crowds);
    const channel = host?.channel();
    if (!host || !channel) return false;
    const connection = next++;
    guests.set(connection, { host: host.name, arrival, leave, isSeated: false });
    count(crowds, host.name, 1);
    const { socket, ...about } = arrival;
    keepFromReading(socket);
    channel.hand({ connection, ...about } satisfies HandedArrival, socket);
    return true;
  };

  return {
    admit,
    seated(connection) {
      const guest = guests.get(connection);
      if (!guest) return;
      guest.isSeated = true;
      guest.arrival.socket.destroy();
    },
    left({ connection, report }) {
      const guest = remove(connection);
      guest?.arrival.socket.destroy();
      guest?.leave(report);
    },
    gone(host, refuse) {
      for (const [connection, guest] of [...guests]) {
        if (guest.host !== host) continue;
        remove(connection);
        const { arrival, leave, isSeated } = guest;
        if (!isSeated && admit(arrival, leave)) continue;
        leave(NOTHING_TO_REPORT);
        if (!isSeated) refuse(arrival);
      }
    },
  };
}

function pick(hosts: readonly Host[], crowds: ReadonlyMap<string, number>): Host | undefined {
  const crowdOf = ({ name }: Host) => crowds.get(name) ?? 0;
  const able = hosts.filter((host) => host.channel() !== null);
  return able.toSorted((a, b) => crowdOf(a) - crowdOf(b))[0];
}

function count(crowds: Map<string, number>, host: string, by: 1 | -1): void {
  crowds.set(host, (crowds.get(host) ?? 0) + by);
}
