import type { LeaseGate } from "../spool/spool.ts";

/** Milliseconds since the epoch until which no attempt makes sense; null: one may be made. */
export type RestsUntil = (destination: string) => number | null;

/** To which domains an attempt found a hub that answered, and to which none. */
export interface Reach {
  readonly reached: readonly string[];
  readonly unreached: readonly string[];
}

export interface DestinationGateOptions {
  /** Domains with the same destination share its places. */
  readonly destinationOf: (domain: string) => string;
  readonly restsUntil: RestsUntil;
  /** A destination that failed has answered: what waited for it may be tried. */
  readonly recovered: (isReached: (domain: string) => boolean) => void;
}

export interface DestinationGate extends LeaseGate {
  /** How many more attempts may begin. */
  free(): number;
  /** An attempt that was `took` is over. */
  ended(domain: string, reach: Reach): void;
}

/** Attempts at a time, to all destinations. */
const AT_ONCE = 100;
/** More would only queue for the connections to one hub (20 by default). */
const MOST_A_DESTINATION = 20;
/** Failing destinations that are remembered. A forgotten one costs attempts, not mail. */
const MAX_FAILING = 10_000;

/**
 * Shares the attempts among destinations: none takes more than half of what is free, so that slow ones
 * leave room for the others. One that could not be reached gets a single attempt at a time; when it
 * answers, all that waits for it may follow.
 */
export function createDestinationGate(options: DestinationGateOptions): DestinationGate {
  const { destinationOf, restsUntil, recovered } = options;
  const active = new Map<string, number>();
  const failing = new Set<string>();
  let total = 0;
  const isFull = (destination: string) => {
    const own = active.get(destination) ?? 0;
    if (failing.has(destination)) return own >= 1;
    return own >= Math.min(MOST_A_DESTINATION, Math.ceil((AT_ONCE - total + own) / 2));
  };
  const add = (destination: string, by: number) => {
    const now = (active.get(destination) ?? 0) + by;
    total += by;
    if (now > 0) active.set(destination, now);
    else active.delete(destination);
  };
  return {
    free: () => AT_ONCE - total,
    blockedUntil(domain) {
      const destination = destinationOf(domain);
      return isFull(destination) ? Number.POSITIVE_INFINITY : restsUntil(destination);
    },
    took: (domain) => add(destinationOf(domain), 1),
    ended(domain, { reached, unreached }) {
      add(destinationOf(domain), -1);
      for (const one of unreached) {
        const [oldest] = failing.size >= MAX_FAILING ? failing : [];
        if (oldest !== undefined) failing.delete(oldest);
        failing.add(destinationOf(one));
      }
      for (const one of reached) {
        const destination = destinationOf(one);
        if (!failing.delete(destination)) continue;
        recovered((other) => destinationOf(other) === destination);
      }
    },
  };
}
