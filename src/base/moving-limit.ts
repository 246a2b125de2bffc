import type { Clock } from "./clock.ts";

/** A moment that is moved on again and again and hardly ever reached. Times are of `monotonic`. */
export interface MovingLimit {
  /** In the place of the moment set before. */
  set(at: number): void;
  /** Until it is set again. */
  clear(): void;
  /** For good: nothing of it stays in memory. */
  end(): void;
}

/**
 * Calls `reached` when the moment has come. A timer runs on when the moment is moved to a later one,
 * and looks again when it rings: a session moves its limit with every command.
 */
export function createMovingLimit(clock: Clock, reached: () => void): MovingLimit {
  let dueAt: number | null = null;
  let ringsAt = Number.POSITIVE_INFINITY;
  let disarm = () => {};
  const arm = (at: number) => {
    ringsAt = at;
    disarm = clock.after(Math.max(0, at - clock.monotonic()), ring);
  };
  const ring = () => {
    ringsAt = Number.POSITIVE_INFINITY;
    if (dueAt === null) return;
    if (dueAt > clock.monotonic()) return arm(dueAt);
    dueAt = null;
    reached();
  };
  return {
    set(at) {
      dueAt = at;
      if (at >= ringsAt) return;
      disarm();
      arm(at);
    },
    clear() {
      dueAt = null;
    },
    end() {
      dueAt = null;
      ringsAt = Number.POSITIVE_INFINITY;
      disarm();
    },
  };
}
