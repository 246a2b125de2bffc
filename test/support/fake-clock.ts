import type { Clock } from "../../src/base/clock.ts";

/** A clock that moves only when told. Timers fire in order of their time during `advance`. */
export interface FakeClock extends Clock {
  /** Moves on and fires what is due, letting promises settle between timers. */
  advance(ms: number): Promise<void>;
  pendingTimers(): number;
}

export function createFakeClock(startMs = Date.UTC(2026, 0, 1)): FakeClock {
  let elapsed = 0;
  let nextId = 0;
  const timers = new Map<number, { at: number; fn: () => void }>();
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
  return {
    now: () => startMs + elapsed,
    monotonic: () => elapsed,
    after(ms, fn) {
      const id = nextId++;
      timers.set(id, { at: elapsed + ms, fn });
      return () => void timers.delete(id);
    },
    async advance(ms) {
      const end = elapsed + ms;
      for (;;) {
        await settle();
        const due = [...timers].filter(([, t]) => t.at <= end).sort((a, b) => a[1].at - b[1].at)[0];
        if (!due) break;
        timers.delete(due[0]);
        elapsed = Math.max(elapsed, due[1].at);
        due[1].fn();
      }
      elapsed = end;
      await settle();
    },
    pendingTimers: () => timers.size,
  };
}
