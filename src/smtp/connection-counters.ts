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
 * by one `leave`, also of a connection that is refused. A client is what `prefixKey` makes of it.
 */
export interface ConnectionCounters {
  enter(client: string): ConnectionCounts;
  leave(client: string): void;
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
    for (const [client, count] of clients) {
      if (count.open === 0 && count.windowEndsAt <= now) clients.delete(client);
    }
  };
  return {
    enter(client) {
      const now = clock.monotonic();
      entered += 1;
      if (entered % SWEEP_EVERY === 0) sweep(now);
      const count = clients.get(client) ?? { open: 0, fresh: 0, windowEndsAt: 0 };
      clients.set(client, count);
      if (count.windowEndsAt <= now) {
        count.fresh = 0;
        count.windowEndsAt = now + WINDOW_MS;
      }
      count.open += 1;
      count.fresh += 1;
      all += 1;
      return { all, ofClient: count.open, newOfClientThisMinute: count.fresh };
    },
    leave(client) {
      const count = clients.get(client);
      if (count) count.open -= 1;
      all -= 1;
    },
    open: () => all,
  };
}
