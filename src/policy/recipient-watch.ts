import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Metrics } from "../base/metrics.ts";
import type { AcceptedDomain, ListAge, PolicyHolder } from "./snapshot.ts";

export interface RecipientWatchInput<Services> {
  readonly policy: Pick<PolicyHolder<Services>, "current" | "onChange">;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Timers hold 24 days, and whoever looks daily misses nothing. */
const LONGEST_WAIT_MS = 24 * 60 * 60_000;

/**
 * Tells how old recipient lists are, and says so in the log when one becomes stale: whoever pushes
 * them has stopped. Returns the function that ends it.
 */
export function watchRecipientLists<Services>(input: RecipientWatchInput<Services>): () => void {
  const { policy, clock, log, metrics } = input;
  const lists = () => agedLists(policy.current().domains.all);
  metrics.gaugeBy(
    "postern_recipient_list_age_seconds",
    "Age of each recipient list that says when it was made.",
    "list",
    () => lists().map(([name, { madeAt }]) => [name, (clock.now() - madeAt) / 1000] as const),
  );
  metrics.gaugeBy(
    "postern_recipient_list_stale",
    "1 when a recipient list is older than it may be, so that nobody is unknown by it.",
    "list",
    () =>
      lists().map(([name, { freshUntil }]) => [name, clock.now() > freshUntil ? 1 : 0] as const),
  );
  const told = new Map<string, number>();
  let cancel = () => {};
  const look = () => {
    cancel();
    const now = clock.now();
    const next = lists().flatMap(([list, age]) => {
      if (age.freshUntil >= now) return [age.freshUntil + 1 - now];
      if (told.get(list) !== age.madeAt) {
        told.set(list, age.madeAt);
        log.warn("recipient-list-stale", { list, made: new Date(age.madeAt).toISOString() });
      }
      return [];
    });
    if (next.length > 0) cancel = clock.after(Math.min(...next, LONGEST_WAIT_MS), look);
  };
  const unsubscribe = policy.onChange(look);
  look();
  return () => {
    unsubscribe();
    cancel();
  };
}

/** Each once, however many domains go by it. */
function agedLists(domains: readonly AcceptedDomain[]): readonly (readonly [string, ListAge])[] {
  const ages = new Map<string, ListAge>();
  for (const { recipients } of domains)
    if (recipients.kind === "list" && recipients.age) ages.set(recipients.from, recipients.age);
  return [...ages];
}
