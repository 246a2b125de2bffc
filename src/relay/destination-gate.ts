import type { LeaseGate } from "../spool/spool.ts";

/** Milliseconds since the epoch until which no attempt makes sense; null: one may be made. */
export type RestsUntil = (destination: string) => number | null;

/** To which domains an attempt found a hub that answered, and to which none. */
export interface Reach {
  readonly reached: readonly string[];
  readonly unreached: readonly string[];
}

/** Where mail for a domain goes now. */
export interface GateDestination {
  /** Domains with the same destination share its places. */
  readonly key: string;
  /** DNS names its servers, and so whoever owns the domain; not our policy. */
  readonly isForeign: boolean;
}

export interface DestinationGateOptions {
  /** May answer otherwise after a reload of the policy. */
  readonly destinationOf: (domain: string) => GateDestination;
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
/**
 * Of these, to servers that DNS names: anybody can own a hundred domains with servers that keep us
 * waiting for half an hour each, and mail to our own hubs must not wait for them.
 */
const MOST_FOREIGN = 75;
/** All of them together. No destination has this key. */
const FOREIGN = "";
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
  const places = createPlaces();
  const failing = new Set<string>();
  const keyOf = (domain: string) => destinationOf(domain).key;
  const isFull = (key: string) => {
    const own = places.of(key);
    if (failing.has(key)) return own >= 1;
    return own >= Math.min(MOST_A_DESTINATION, Math.ceil((AT_ONCE - places.total() + own) / 2));
  };
  const isClosed = (by: string) => (by === FOREIGN ? places.foreign() >= MOST_FOREIGN : isFull(by));
  return {
    free: () => AT_ONCE - places.total(),
    isClosed,
    closedBy(domain) {
      const { key, isForeign } = destinationOf(domain);
      if (isForeign && isClosed(FOREIGN)) return FOREIGN;
      return isClosed(key) ? key : null;
    },
    restsUntil: (domain) => restsUntil(keyOf(domain)),
    took: (domain) => places.take(domain, destinationOf(domain)),
    ended(domain, { reached, unreached }) {
      places.giveBack(domain);
      for (const one of unreached) {
        const [oldest] = failing.size >= MAX_FAILING ? failing : [];
        if (oldest !== undefined) failing.delete(oldest);
        failing.add(keyOf(one));
      }
      for (const one of reached) {
        const key = keyOf(one);
        if (!failing.delete(key)) continue;
        recovered((other) => keyOf(other) === key);
      }
    },
  };
}

/** Who has which places. One is given back as it was taken, whatever the policy says by then. */
function createPlaces() {
  const taken = new Map<string, GateDestination[]>();
  const active = new Map<string, number>();
  let total = 0;
  let foreign = 0;
  const add = ({ key, isForeign }: GateDestination, by: number) => {
    const now = (active.get(key) ?? 0) + by;
    total += by;
    if (isForeign) foreign += by;
    if (now > 0) active.set(key, now);
    else active.delete(key);
  };
  return {
    total: () => total,
    foreign: () => foreign,
    of: (key: string) => active.get(key) ?? 0,
    take(domain: string, destination: GateDestination): void {
      const places = taken.get(domain) ?? [];
      places.push(destination);
      taken.set(domain, places);
      add(destination, 1);
    },
    giveBack(domain: string): void {
      const places = taken.get(domain);
      const place = places?.shift();
      if (places?.length === 0) taken.delete(domain);
      if (place) add(place, -1);
    },
  };
}
