import type { Clock } from "../../base/clock.ts";
import type { ProbeAnswer } from "../../stages/domains/recipient-probe.ts";

/** Of a harvest (threats.md P11) the cache keeps the latest, about 10 MB. */
const MAX_ANSWERS = 50_000;

/** What hubs said of recipients, each for its time. */
export interface AnswerCache {
  get(recipient: string): ProbeAnswer | null;
  /** Without a lifetime it is not kept. */
  keep(recipient: string, answer: ProbeAnswer, lifeMs: number): void;
}

export function createAnswerCache(clock: Clock): AnswerCache {
  const answers = new Map<string, { readonly answer: ProbeAnswer; readonly until: number }>();
  return {
    get(recipient) {
      const known = answers.get(recipient);
      return known && clock.monotonic() < known.until ? known.answer : null;
    },
    keep(recipient, answer, lifeMs) {
      if (lifeMs <= 0) return;
      answers.delete(recipient);
      answers.set(recipient, { answer, until: clock.monotonic() + lifeMs });
      const [oldest] = answers.keys();
      if (answers.size > MAX_ANSWERS && oldest !== undefined) answers.delete(oldest);
    },
  };
}
