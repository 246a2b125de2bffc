import { type Clock, createSystemClock } from "../../src/base/clock.ts";

/** The time of day is set by hand; timers and limits are real, for what other programs do meanwhile. */
export interface SetClock extends Clock {
  pass(ms: number): void;
}

export function createSetClock(startMs = Date.UTC(2026, 0, 1)): SetClock {
  const real = createSystemClock();
  let now = startMs;
  return {
    ...real,
    now: () => now,
    pass(ms) {
      now += ms;
    },
  };
}
