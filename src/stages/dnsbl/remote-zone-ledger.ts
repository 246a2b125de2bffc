import type { ProcessChannel } from "../../base/process-channel.ts";
import type { ZoneLedger, ZoneOwnerOperations } from "./zone-ledger.ts";

/** Between processes of one machine. */
const ASK_LIMIT_MS = 2000;

/** The ledger of the process that keeps it for all. */
export function createRemoteZoneLedger(
  owner: Pick<ProcessChannel<ZoneOwnerOperations>, "call">,
): ZoneLedger {
  return { report: (counts) => owner.call("reportZones", counts, ASK_LIMIT_MS) };
}
