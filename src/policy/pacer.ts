import { setImmediate as nextTurn } from "node:timers/promises";

/** Lets mail sessions run between two portions of a long computation. */
export interface Pacer {
  /** Counts one item; true when it is time to rest. */
  due(): boolean;
  rest(): Promise<void>;
}

/** `portion` items must take no longer than a few milliseconds. */
export function createPacer(portion: number): Pacer {
  let done = 0;
  return {
    due() {
      done += 1;
      return done % portion === 0;
    },
    rest: () => nextTurn(),
  };
}
