import type { Clock } from "../base/clock.ts";

/** How long a hub that failed is left alone: doubling from the first to the longest. */
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;

/**
 * Remembers which hubs failed, so that a dead one costs one message its wait and not each. After
 * the pause a single attempt is let through; the others wait for what becomes of it.
 */
export interface HubHealth {
  /** Whether to try it now. */
  admit(hub: string): boolean;
  worked(hub: string): void;
  failed(hub: string): void;
}

export function createHubHealth(clock: Clock): HubHealth {
  const failing = new Map<string, { pauseMs: number; until: number }>();
  return {
    admit(hub) {
      const state = failing.get(hub);
      if (!state) return true;
      const now = clock.monotonic();
      if (now < state.until) return false;
      state.until = now + state.pauseMs;
      return true;
    },
    worked: (hub) => void failing.delete(hub),
    failed(hub) {
      const before = failing.get(hub)?.pauseMs;
      const pauseMs = before ? Math.min(2 * before, LONGEST_PAUSE_MS) : FIRST_PAUSE_MS;
      failing.set(hub, { pauseMs, until: clock.monotonic() + pauseMs });
    },
  };
}
