import type { Clock } from "../base/clock.ts";

/**
 * A client's unknown recipients count for so long from the first of them. A large provider names a few
 * every hour; a harvest (threats.md P11) is through with its dictionary by then, or slow.
 */
const WINDOW_MS = 10 * 60_000;
/** Some 20 MB; when more have named unknown recipients, those who did so first are forgotten. */
const MAX_CLIENTS = 100_000;

/**
 * How many unknown recipients clients named in their sessions that have ended. It lies on the door's
 * side, because a client's next session may be another process's. A client is what `prefixKey` makes
 * of it.
 */
export interface HarvestCounts {
  of(client: string): number;
  add(client: string, unknown: number): void;
}

export function createHarvestCounts(clock: Clock, max: number = MAX_CLIENTS): HarvestCounts {
  /** In the order in which they expire. */
  const clients = new Map<string, { count: number; readonly until: number }>();
  const running = (client: string) => {
    const known = clients.get(client);
    return known && clock.monotonic() < known.until ? known : null;
  };
  return {
    of: (client) => running(client)?.count ?? 0,
    add(client, unknown) {
      if (unknown === 0) return;
      const known = running(client);
      if (known) {
        known.count += unknown;
        return;
      }
      clients.delete(client);
      clients.set(client, { count: unknown, until: clock.monotonic() + WINDOW_MS });
      const [eldest] = clients.keys();
      if (clients.size > max && eldest !== undefined) clients.delete(eldest);
    },
  };
}
