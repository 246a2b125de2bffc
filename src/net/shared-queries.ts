import { abandonOn } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import type { Lookup } from "./resolver.ts";

/** Identical queries under way share one exchange, so a burst of mail asks once. */
export interface SharedQueries {
  isRunning(key: string): boolean;
  /**
   * Joins the query of this key, or starts it. The signal ends only this caller's wait; the query
   * itself is given up when nobody waits for it any more. Never rejects.
   */
  share(
    key: string,
    start: (signal: AbortSignal) => Promise<Lookup<unknown>>,
    signal: AbortSignal,
  ): Promise<Lookup<unknown>>;
  abortAll(reason: string): void;
}

interface Flight {
  readonly answer: Promise<Lookup<unknown>>;
  readonly controller: AbortController;
  waiters: number;
}

export function createSharedQueries(): SharedQueries {
  const flights = new Map<string, Flight>();
  const forget = (key: string, flight: Flight) => {
    if (flights.get(key) === flight) flights.delete(key);
  };
  return {
    isRunning: (key) => flights.has(key),
    async share(key, start, signal) {
      const flight = flights.get(key) ?? takeOff(start);
      flights.set(key, flight);
      flight.waiters += 1;
      try {
        return await abandonOn(signal, flight.answer);
      } catch (error) {
        return { kind: "temporary", reason: errorText(error) };
      } finally {
        flight.waiters -= 1;
        if (flight.waiters === 0) {
          forget(key, flight);
          flight.controller.abort(new Error("nobody waits for it any more"));
        }
      }
    },
    abortAll(reason) {
      for (const { controller } of flights.values()) controller.abort(new Error(reason));
      flights.clear();
    },
  };
}

function takeOff(start: (signal: AbortSignal) => Promise<Lookup<unknown>>): Flight {
  const controller = new AbortController();
  return { answer: start(controller.signal), controller, waiters: 0 };
}
