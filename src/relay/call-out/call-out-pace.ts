import type { Clock } from "../../base/clock.ts";

const MINUTE_MS = 60_000;
/** Domains of the policy, few; a bound all the same. */
const MAX_COUNTED = 10_000;

/** How many questions each domain's hub was asked in the minute that began with the first of them. */
export interface CallOutPace {
  /** Counts one more, or says that there are `perMinute` already. */
  admit(domain: string, perMinute: number): boolean;
}

export function createCallOutPace(clock: Clock): CallOutPace {
  const minutes = new Map<string, { asked: number; readonly endsAt: number }>();
  return {
    admit(domain, perMinute) {
      const now = clock.monotonic();
      const running = minutes.get(domain);
      if (running && now < running.endsAt) {
        if (running.asked >= perMinute) return false;
        running.asked += 1;
        return true;
      }
      if (minutes.size >= MAX_COUNTED) minutes.clear();
      minutes.set(domain, { asked: 1, endsAt: now + MINUTE_MS });
      return true;
    },
  };
}
