import type { Clock } from "../base/clock.ts";

const WINDOW_MS = 60_000;
/** Clients that left are forgotten by and by, so that a flood from many addresses holds no memory. */
const SWEEP_EVERY = 1024;

/** How many connections there are, the one that just came included. */
export interface ConnectionCounts {
  readonly all: number;
  readonly ofClient: number;
  readonly newOfClientThisMinute: number;
}

/**
 * Shared by all listeners of a gateway, since the limits are the gateway's. Every `enter` is followed
 * by one `leave`, also of a connection that is refused.
 */
export interface ConnectionCounters {
  enter(network: string): ConnectionCounts;
  leave(network: string): void;
  open(): number;
}

interface ClientCount {
  open: number;
  fresh: number;
  windowEndsAt: number;
}

/** Counters of one process. The minute of a client begins with its first connection. */
export function createConnectionCounters(clock: Clock): ConnectionCounters {
  const clients = new Map<string, ClientCount>();
  let all = 0;
  let entered = 0;
  const sweep = (now: number) => {
    for (const [network, client] of clients) {
      if (client.open === 0 && client.windowEndsAt <= now) clients.delete(network);
    }
  };
  return {
    enter(network) {
      const now = clock.monotonic();
      entered += 1;
      if (entered % SWEEP_EVERY === 0) sweep(now);
      const client = clients.get(network) ?? { open: 0, fresh: 0, windowEndsAt: now + WINDOW_MS };
      clients.set(network, client);
      if (client.windowEndsAt <= now) {
        client.fresh = 0;
        client.windowEndsAt = now + WINDOW_MS;
      }
      client.open += 1;
      client.fresh += 1;
      all += 1;
      return { all, ofClient: client.open, newOfClientThisMinute: client.fresh };
    },
    leave(network) {
      const client = clients.get(network);
      if (client) client.open -= 1;
      all -= 1;
    },
    open: () => all,
  };
}
