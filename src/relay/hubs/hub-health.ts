import type { Clock } from "../../base/clock.ts";

/** How long what failed is left alone: doubling from the first to the longest. */
const FIRST_PAUSE_MS = 1000;
export const LONGEST_PAUSE_MS: number = 30_000;
/** A probe that has not ended by then no longer keeps others from theirs. */
const PROBE_MS = 60_000;
/** While somebody probes, the others look again so soon: most probes are over by then. */
const LOOK_AGAIN_MS = 1000;
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
  /** Monotonic, when to look again; null: it may be tried. */
  restsUntil(key: string): number | null;
  resting(): number;
}

interface State {
  readonly pauseMs: number;
  /** It is left alone until then, or somebody probes it. */
  until: number;
  readonly isProbed: boolean;
}

export function createHubHealth(clock: Clock): HubHealth {
  const failing = new Map<string, State>();
  const isResting = ({ until }: State) => clock.monotonic() < until;
  const restsUntil = (key: string) => {
    const state = failing.get(key);
    if (!state || !isResting(state)) return null;
    return state.isProbed ? Math.min(state.until, clock.monotonic() + LOOK_AGAIN_MS) : state.until;
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
      remember(key, { pauseMs, until: clock.monotonic() + pauseMs, isProbed: false });
    },
    undecided() {
      if (probed && failing.get(key) === probed) probed.until = clock.monotonic();
    },
    resting(until) {
      const known = failing.get(key);
      const pauseMs = known?.pauseMs ?? FIRST_PAUSE_MS;
      if (!known || known === probed) remember(key, { pauseMs, until, isProbed: false });
    },
  });
  return {
    admit(key, longestPauseMs = LONGEST_PAUSE_MS) {
      const state = failing.get(key);
      if (!state) return toTrial(key, undefined, longestPauseMs);
      if (isResting(state)) return null;
      const until = clock.monotonic() + Math.max(state.pauseMs, PROBE_MS);
      const probed = { pauseMs: state.pauseMs, until, isProbed: true };
      remember(key, probed);
      return toTrial(key, probed, longestPauseMs);
    },
    restsUntil,
    resting: () => [...failing.values()].filter(isResting).length,
  };
}
