import type { Clock } from "../base/clock.ts";
import { createStress } from "./stress.ts";

const WINDOW_MS = 60_000;
/** Clients that left are forgotten by and by, so that a flood from many addresses holds no memory. */
const SWEEP_EVERY = 1024;

/** How many connections of one client there are, the one that just came included. */
export interface ClientCounts {
  readonly open: number;
  readonly newThisMinute: number;
}

/** One connection from accept to close, also of a client who is refused. */
export interface CountedConnection {
  /** Of all listeners when it came, itself included. */
  readonly all: number;
  /** Of its own listener. */
  readonly ofListener: number;
  /** Whose it is, once that is known: what `prefixKey` makes of the address. Called at most once. */
  countFor(client: string): ClientCounts;
  /** Called once. */
  leave(): void;
}

/** Shared by all listeners of a gateway, since the limits are the gateway's. */
export interface ConnectionCounters {
  /** Counts among all from here on, whoever it may turn out to be. */
  enter(listener: string): CountedConnection;
  open(): number;
  /** The limit on all of them, in force now. */
  max(): number;
  isStressed(): boolean;
}

export interface CountersOptions {
  readonly clock: Clock;
  readonly max: () => number;
  readonly stressChanged: (isStressed: boolean) => void;
}

interface ClientCount {
  open: number;
  fresh: number;
  windowEndsAt: number;
}

/** Counters of one process. The minute of a client begins with its first connection. */
export function createConnectionCounters(options: CountersOptions): ConnectionCounters {
  const { clock, max } = options;
  const stress = createStress(max, options.stressChanged);
  const clients = createClientCounts(clock);
  const ofListeners = new Map<string, number>();
  let all = 0;
  const add = (listener: string, change: 1 | -1): number => {
    const ofListener = (ofListeners.get(listener) ?? 0) + change;
    ofListeners.set(listener, ofListener);
    all += change;
    stress.update(all);
    return ofListener;
  };
  return {
    enter(listener) {
      const ofListener = add(listener, 1);
      let known: ClientCount | null = null;
      return {
        all,
        ofListener,
        countFor(client) {
          known = clients.enter(client);
          return { open: known.open, newThisMinute: known.fresh };
        },
        leave() {
          if (known) known.open -= 1;
          add(listener, -1);
        },
      };
    },
    open: () => all,
    max,
    isStressed: stress.isOn,
  };
}

function createClientCounts(clock: Clock): { enter(client: string): ClientCount } {
  const clients = new Map<string, ClientCount>();
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
      return count;
    },
  };
}
