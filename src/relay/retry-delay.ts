import type { Limits } from "../policy/limits.ts";

/** Plus or minus: entries that came together shall not knock together for ever. */
const JITTER = 0.1;

/**
 * Milliseconds until the next attempt. As long as the message has waited so far, within the first
 * and the longest wait of policy: so the waits double, and a restart does not begin anew.
 * `random`: 0 to 1.
 */
export function toRetryDelay(ageMs: number, limits: Limits["delivery"], random: number): number {
  const least = limits.retryFirstSeconds * 1000;
  const most = Math.max(least, limits.retryMaxSeconds * 1000);
  const wait = Math.min(Math.max(ageMs, least), most);
  return Math.round(wait * (1 + JITTER * (2 * random - 1)));
}

export function isGivenUp(ageMs: number, limits: Limits["delivery"]): boolean {
  return ageMs >= limits.giveUpAfterSeconds * 1000;
}
