import type { Clock } from "../../base/clock.ts";
import { errorText } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { ProcessChannel } from "../../base/process-channel.ts";
import {
  type ClientNote,
  markDemoted,
  toClientNote,
  type ZoneNotes,
  type ZoneOwnerOperations,
} from "./zone-notes.ts";
import type { BreakerOptions } from "./zone-rate.ts";
import type { ZoneRates } from "./zone-rates.ts";

/** A list that goes wild refuses wrongly for a minute at most: this is the least part of it. */
const TELL_AFTER_MS = 1000;
/** Between processes of one machine. */
const ASK_LIMIT_MS = 2000;
/** Clients of one second; of a flood the first tell enough. */
const MAX_WAITING = 5000;

export interface RemoteZoneRatesOptions {
  readonly owner: Pick<ProcessChannel<ZoneOwnerOperations>, "call">;
  readonly clock: Clock;
  readonly log: Log;
}

/** The rates of the process that keeps them for all: told once a second, heeded until told anew. */
export function createRemoteZoneRates({ owner, clock, log }: RemoteZoneRatesOptions): ZoneRates {
  let demotions: ReadonlyMap<string, string> = new Map();
  let waiting: ClientNote[] = [];
  let known: Promise<void> | null = null;
  let cancel: (() => void) | null = null;
  let isClosed = false;

  const tell = async (notes: ZoneNotes) => {
    try {
      const all = await owner.call("noteZones", notes, ASK_LIMIT_MS);
      demotions = new Map(all.map(({ zone, reason }) => [zone, reason]));
    } catch (error) {
      // What was known holds on; the clients of a second are no loss.
      if (!isClosed) log.warn("dnsbl-rates-not-told", { reason: errorText(error) });
    }
  };
  const schedule = (breaker: BreakerOptions) => {
    if (cancel || isClosed) return;
    cancel = clock.after(TELL_AFTER_MS, () => {
      cancel = null;
      const clients = waiting;
      waiting = [];
      void tell({ breaker, clients });
    });
  };
  return {
    async weigh(client, zones, said, breaker) {
      if (breaker === null) return said;
      // A new process must not refuse for what others have found out.
      known ??= tell({ breaker, clients: [] });
      await known;
      if (waiting.length < MAX_WAITING) waiting.push(toClientNote(client, zones, said));
      schedule(breaker);
      return markDemoted(said, demotions);
    },
    async close() {
      isClosed = true;
      cancel?.();
    },
  };
}
