import type { ProcessChannel } from "../base/process-channel.ts";
import type { RateCounters, RateOwnerOperations } from "./rate-counters.ts";

/** Between processes of one machine; the stage that asks has as long. */
const ASK_LIMIT_MS = 2000;

/** The counters of the process that counts for all. */
export function createRemoteRateCounters(
  owner: Pick<ProcessChannel<RateOwnerOperations>, "call">,
): RateCounters {
  return {
    take: (key, amount, limit) => owner.call("takeRate", { key, amount, limit }, ASK_LIMIT_MS),
  };
}
