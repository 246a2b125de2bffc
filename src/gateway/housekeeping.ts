import type { Clock } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Quarantine } from "../quarantine/quarantine.ts";
import type { Tracking } from "../tracking/tracking.ts";
import type { Snapshot } from "./session-state.ts";

export interface HousekeepingDeps {
  readonly policy: { current(): Pick<Snapshot, "tracking" | "quarantine"> };
  readonly tracking: Tracking;
  readonly quarantine: Quarantine;
  readonly clock: Clock;
  readonly log: Log;
}

const EVERY_MS = 60 * 60 * 1000;
const DAY_MS = 24 * EVERY_MS;

/** Once an hour, and at the start: what is past its date goes. Returns the function that stops it. */
export function startHousekeeping(deps: HousekeepingDeps): () => void {
  let cancel = () => {};
  let stopped = false;
  const round = async () => {
    try {
      await removeExpired(deps);
    } catch (error) {
      // A stop closes the stores under a round.
      if (!stopped) deps.log.error("housekeeping-failed", { error: errorText(error) });
    }
    if (!stopped) cancel = deps.clock.after(EVERY_MS, () => void round());
  };
  void round();
  return () => {
    stopped = true;
    cancel();
  };
}

async function removeExpired({ policy, tracking, quarantine, clock, log }: HousekeepingDeps) {
  const now = clock.now();
  const transactions = await tracking.expire(now - policy.current().tracking.keepDays * DAY_MS);
  const holds = await quarantine.expire(now);
  if (transactions + holds > 0) log.info("expired", { transactions, holds });
}
