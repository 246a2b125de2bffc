import { z } from "zod";
import { countZones } from "../stages/dnsbl/zone-statistics.ts";
import type { Tracking } from "../tracking/tracking.ts";
import { parseArgs } from "./command-args.ts";
import type { ControlCommand } from "./control.ts";

/** Transactions that are looked at: some ten seconds of reading. */
const MOST_TRANSACTIONS = 50_000;

const statsArgs = z.strictObject({ since: z.number() });

/** Named pairs for the command map: what the lists said of the clients of stored transactions. */
export function createDnsblCommands({
  tracking,
}: {
  readonly tracking: Pick<Tracking, "stageEvidence">;
}): readonly (readonly [string, ControlCommand])[] {
  return [
    [
      "dnsbl.stats",
      async function* (args) {
        const { since } = parseArgs(statsArgs, args);
        const query = { stage: "dnsbl", since, most: MOST_TRANSACTIONS };
        yield await countZones(tracking.stageEvidence(query));
      },
    ],
  ];
}
