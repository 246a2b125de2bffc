import type { Clock } from "../../base/clock.ts";

/** How long what failed is left alone: doubling from the first to the longest. */
const FIRST_PAUSE_MS = 1000;
export const LONGEST_PAUSE_MS: number = 30_000;
/** A probe that has not ended by then no longer keeps others from theirs. */
const PROBE_MS = 60_000;
/** While somebody probes, the others look again so soon: most probes are over by then. */
const LOOK_AGAIN_MS = 1000;
/** Of a flood of domains that nobody serves the latest are remembered, some 15 MB at most. */
const MAX_REMEMBERED = 20_000;
const REASON_CHARS = 300;

/** One attempt; exactly one of its ends is told. */
export interface Trial {
  /** True when it had been failing before. */
  worked(): boolean;
  failed(reason: string): void;
  /** Nothing was learned: the next one may try at once. */
  undecided(): void;
  /** It was not tried, because all behind it rests. */
  resting(rest: Rest): void;
}

export interface Rest {
  /** Monotonic, when to look again. */
  readonly until: number;
  /** Why it failed last. */
  readonly reason: string;
}

/** Of a server, and of the manner in which a connector meets it. */
export interface Trials {
  readonly server: Trial;
  readonly manner: Trial;
}

/**
 * Remembers what failed, servers and whole destinations, by key: a dead one costs one attempt its
 * wait and not each. After the pause a single attempt is let through; the others wait for what
 * becomes of it.
 */
export interface HubHealth {
  /** A rest: it is to be left alone for now. */
  admit(key: string, longestPauseMs?: number): Trial | Rest;
  /** Null: it may be tried. */
  restOf(key: string): Rest | null;
  resting(): number;
}

interface State {
  readonly pauseMs: number;
  /** It is left alone until then, or somebody probes it. */
  until: number;
  readonly isProbed: boolean;
  readonly reason: string;
}

export function createHubHealth(clock: Clock): HubHealth {
  const failing = new Map<string, State>();
  const isResting = ({ until }: State) => clock.monotonic() < until;
  const restOf = (key: string): Rest | null => {
    const state = failing.get(key);
    if (!state || !isResting(state)) return null;
    const { until, isProbed, reason } = state;
    const soon = clock.monotonic() + LOOK_AGAIN_MS;
    return { until: isProbed ? Math.min(until, soon) : until, reason };
  };
  const remember = (key: string, state: State) => {
    failing.delete(key);
    failing.set(key, state);
    const [oldest] = failing.keys();
    if (failing.size > MAX_REMEMBERED && oldest !== undefined) failing.delete(oldest);
  };
  const toTrial = (key: string, probed: State | undefined, longestPauseMs: number): Trial => ({
    worked: () => failing.delete(key),
    failed(given) {
      const known = failing.get(key);
      // Begun before the first failure was known, it adds nothing: only a probe lengthens the pause.
      if (known && known !== probed) return;
      const pauseMs = known ? Math.min(2 * known.pauseMs, longestPauseMs) : FIRST_PAUSE_MS;
      const reason = toShortCopy(given);
      remember(key, { pauseMs, until: clock.monotonic() + pauseMs, isProbed: false, reason });
    },
    undecided() {
      if (probed && failing.get(key) === probed) probed.until = clock.monotonic();
    },
    resting({ until, reason }) {
      const known = failing.get(key);
      const pauseMs = known?.pauseMs ?? FIRST_PAUSE_MS;
      if (!known || known === probed) remember(key, { pauseMs, until, isProbed: false, reason });
    },
  });
  return {
    admit(key, longestPauseMs = LONGEST_PAUSE_MS) {
      const rest = restOf(key);
      if (rest) return rest;
      const state = failing.get(key);
      if (!state) return toTrial(key, undefined, longestPauseMs);
      const until = clock.monotonic() + Math.max(state.pauseMs, PROBE_MS);
      const probed = { ...state, until, isProbed: true };
      remember(key, probed);
      return toTrial(key, probed, longestPauseMs);
    },
    restOf,
    resting: () => [...failing.values()].filter(isResting).length,
  };
}

/** A slice alone would keep all of a long reply in memory. */
function toShortCopy(reason: string): string {
  return Buffer.from(reason.slice(0, REASON_CHARS)).toString();
}

/** The rest of one of the two when that is to be left alone. */
export function admitBoth(health: HubHealth, serverKey: string, mannerKey: string): Trials | Rest {
  const server = health.admit(serverKey);
  if ("until" in server) return server;
  const manner = health.admit(mannerKey);
  if (!("until" in manner)) return { server, manner };
  server.undecided();
  return manner;
}
