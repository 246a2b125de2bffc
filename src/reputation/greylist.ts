import type { Answer } from "./reputation.ts";

/** Who was told to come again. Keys are the caller's; all processes and nodes see the same. */
export interface Greylist {
  /** What `touch` would answer; changes nothing. For observe. */
  peek(key: string, times: GreylistTimes): Promise<Answer<GreylistState>>;
  /** One step, however many ask at once. */
  touch(key: string, times: GreylistTimes): Promise<Answer<GreylistState>>;
  /** Lets it pass from now on, as if it had come again in time. */
  allow(key: string, times: GreylistTimes): Promise<Answer<true>>;
  /** Whether there was one. */
  forget(key: string): Promise<Answer<boolean>>;
}

export interface GreylistTimes {
  /** Who comes earlier waits on. */
  readonly delayMs: number;
  /** Who comes later begins anew; counted from the first attempt, more than the delay. */
  readonly windowMs: number;
  /** Who has passed is let through so long after his last mail. */
  readonly passMs: number;
}

export interface GreylistState {
  /** new: never seen, or too long ago · early: within the delay · passes: in time · passed: before. */
  readonly kind: "new" | "early" | "passes" | "passed";
  readonly firstSeen: number;
  /** Until it passes; 0 for who does. */
  readonly waitMs: number;
}

/** As it lies in a store; at `until` it is no more. */
export interface GreylistEntry {
  readonly firstSeen: number;
  readonly passed: boolean;
  readonly until: number;
}

/** What comes of one more attempt. */
export function greylisted(
  before: GreylistEntry | null,
  { delayMs, windowMs, passMs }: GreylistTimes,
  now: number,
): { readonly entry: GreylistEntry; readonly state: GreylistState } {
  if (!before || now >= before.until) {
    const entry = { firstSeen: now, passed: false, until: now + windowMs };
    return { entry, state: { kind: "new", firstSeen: now, waitMs: delayMs } };
  }
  const { firstSeen } = before;
  const waitMs = Math.max(0, firstSeen + delayMs - now);
  if (!before.passed && waitMs > 0)
    return { entry: before, state: { kind: "early", firstSeen, waitMs } };
  return {
    entry: { firstSeen, passed: true, until: now + passMs },
    state: { kind: before.passed ? "passed" : "passes", firstSeen, waitMs: 0 },
  };
}
