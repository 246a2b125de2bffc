import { setTimeout as sleep } from "node:timers/promises";

const POLL_MS = 20;

/**
 * Asks `probe` until it answers something other than undefined; for states of other programs that
 * no event tells. Fails with `what` after the limit.
 */
export async function waitUntil<T>(
  what: () => string,
  probe: () => Promise<T | undefined> | T | undefined,
  limitMs = 15_000,
): Promise<T> {
  const end = performance.now() + limitMs;
  while (performance.now() < end) {
    const answer = await probe();
    if (answer !== undefined) return answer;
    await sleep(POLL_MS);
  }
  throw new Error(`${what()} (waited ${limitMs} ms)`);
}
