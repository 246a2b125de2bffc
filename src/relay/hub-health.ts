import type { Clock } from "../base/clock.ts";

/** How long what failed is left alone: doubling from the first to the longest. */
const FIRST_PAUSE_MS = 1000;
export const LONGEST_PAUSE_MS: number = 30_000;
/** A trial that has not ended by then no longer keeps others from theirs. */
const TRIAL_MS = 60_000;
/** Of a flood of domains that nobody serves the latest are remembered, about 2 MB. */
const MAX_REMEMBERED = 20_000;

/** One attempt; exactly one of its ends is told. */
export interface Trial {
  /** True when it had been failing before. */
  worked(): boolean;
  failed(): void;
  /** Nothing was learned: the next one may try at once. */
  undecided(): void;
  /** It was not tried, because all behind it rests until then (monotonic). */
  resting(until: number): void;
}

/**
 * Remembers what failed, servers and whole destinations, by key: a dead one costs one attempt its
 * wait and not each. After the pause a single attempt is let through; the others wait for what
 * becomes of it.
 */
export interface HubHealth {
  /** Null: it is to be left alone for now. */
  admit(key: string, longestPauseMs?: number): Trial | null;
  /** Monotonic; null: it may be tried. */
  restsUntil(key: string): number | null;
  resting(): number;
}

interface State {
  pauseMs: number;
  until: number;
}

export function createHubHealth(clock: Clock): HubHealth {
  const failing = new Map<string, State>();
  const restsUntil = (key: string) => {
    const until = failing.get(key)?.until ?? 0;
    return clock.monotonic() < until ? until : null;
  };
  const remember = (key: string, state: State) => {
    failing.delete(key);
    failing.set(key, state);
    const [oldest] = failing.keys();
    if (failing.size > MAX_REMEMBERED && oldest !== undefined) failing.delete(oldest);
  };
  const toTrial = (key: string, probed: State | undefined, longestPauseMs: number): Trial => ({
    worked: () => failing.delete(key),
    failed() {
      const known = failing.get(key);
      // Begun before the first failure was known, it adds nothing: only a probe lengthens the pause.
      if (known && known !== probed) return;
      const pauseMs = known ? Math.min(2 * known.pauseMs, longestPauseMs) : FIRST_PAUSE_MS;
      remember(key, { pauseMs, until: clock.monotonic() + pauseMs });
    },
    undecided() {
      if (probed && failing.get(key) === probed) probed.until = clock.monotonic();
    },
    resting(until) {
      const known = failing.get(key);
      if (!known || known === probed)
        remember(key, { pauseMs: known?.pauseMs ?? FIRST_PAUSE_MS, until });
    },
  });
  return {
    admit(key, longestPauseMs = LONGEST_PAUSE_MS) {
      const state = failing.get(key);
      if (!state) return toTrial(key, undefined, longestPauseMs);
      if (restsUntil(key) !== null) return null;
      const probed = { ...state, until: clock.monotonic() + Math.max(state.pauseMs, TRIAL_MS) };
      remember(key, probed);
      return toTrial(key, probed, longestPauseMs);
    },
    restsUntil,
    resting: () => [...failing.keys()].filter((key) => restsUntil(key) !== null).length,
  };
}
