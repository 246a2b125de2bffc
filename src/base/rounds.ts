import type { Clock } from "./clock.ts";

/**
 * Calls `work`, which must not reject, now and then `everyMs` after it has ended. Returns the
 * function that stops it; a round under way ends by itself.
 */
export function startRounds(clock: Clock, everyMs: number, work: () => Promise<void>): () => void {
  const rounds = createRounds(clock, everyMs, work);
  rounds.run();
  return rounds.stop;
}

/** The same, but the first round too is `everyMs` away: for who has just done the work. */
export function startLaterRounds(
  clock: Clock,
  everyMs: number,
  work: () => Promise<void>,
): () => void {
  const rounds = createRounds(clock, everyMs, work);
  rounds.schedule();
  return rounds.stop;
}

function createRounds(clock: Clock, everyMs: number, work: () => Promise<void>) {
  let cancel = () => {};
  let stopped = false;
  const run = () => void work().finally(schedule);
  const schedule = () => {
    if (!stopped) cancel = clock.after(everyMs, run);
  };
  return {
    run,
    schedule,
    stop() {
      stopped = true;
      cancel();
    },
  };
}
