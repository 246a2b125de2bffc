import type { Clock } from "./clock.ts";

/**
 * Calls `work`, which must not reject, now and then `everyMs` after it has ended. Returns the
 * function that stops it; a round under way ends by itself.
 */
export function startRounds(clock: Clock, everyMs: number, work: () => Promise<void>): () => void {
  let cancel = () => {};
  let stopped = false;
  const round = async () => {
    await work();
    if (!stopped) cancel = clock.after(everyMs, () => void round());
  };
  void round();
  return () => {
    stopped = true;
    cancel();
  };
}
