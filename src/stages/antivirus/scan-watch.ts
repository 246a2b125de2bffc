import { type Clock, pause } from "../../base/clock.ts";

/** How often a daemon must show that it lives while it scans for us. */
const WATCH_EVERY_MS = 5000;

/**
 * Calls `probe` every few seconds while there is at least one scan: a daemon that hangs is found
 * out long before the limit of a scan that is merely slow. No timer runs in between.
 */
export interface ScanWatch {
  /** Call around each scan. Returns the function to call at its end, once. */
  begin(): () => void;
}

export function createScanWatch(clock: Clock, probe: () => Promise<unknown>): ScanWatch {
  let scans = 0;
  let watching = new AbortController();

  const watch = async (signal: AbortSignal) => {
    while (!signal.aborted) {
      await pause(clock, WATCH_EVERY_MS, signal);
      if (!signal.aborted) await probe();
    }
  };

  return {
    begin() {
      if (scans === 0) {
        watching = new AbortController();
        void watch(watching.signal);
      }
      scans += 1;
      return () => {
        scans -= 1;
        if (scans === 0) watching.abort();
      };
    },
  };
}
