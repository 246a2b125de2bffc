import { type Clock, pause } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Spool, SpoolLease } from "../spool/spool.ts";
import {
  createDestinationGate,
  type DestinationGate,
  type GateDestination,
  type Reach,
  type RestsUntil,
} from "./destination-gate.ts";

export interface RetryLoopOptions {
  readonly spool: Pick<Spool, "leaseDue" | "nextDueAt" | "hasten">;
  readonly clock: Clock;
  readonly log: Log;
  /** Delivers one entry and ends its lease. Must not reject. */
  readonly work: (lease: SpoolLease, signal: AbortSignal) => Promise<Reach>;
  /** Default: each domain has hubs of its own. */
  readonly destinationOf?: (domain: string) => GateDestination;
  /** Default: none rests. */
  readonly restsUntil?: RestsUntil;
}

/** Leases what is due, a bounded number at a time, until it is stopped. */
export interface RetryLoop {
  start(): void;
  /** Something may be due earlier than was known. */
  wake(): void;
  /** No new lease; attempts that have not sent their dot end. Resolves when the last one is over. */
  stop(): Promise<void>;
}

/** Of a process that retries nothing. */
export const NO_RETRIES: RetryLoop = { start() {}, wake() {}, stop: async () => {} };

/** The spool does not answer: its disk is away. */
const SPOOL_PAUSE_MS = 10_000;
/** Looks again at least so often, should the clock have jumped. */
const LONGEST_SLEEP_MS = 60_000;

export function createRetryLoop(options: RetryLoopOptions): RetryLoop {
  const stopping = new AbortController();
  const running = new Set<Promise<void>>();
  let alarm = new AbortController();
  let loop: Promise<void> = Promise.resolve();
  const wake = () => alarm.abort();
  const gate = createDestinationGate({
    destinationOf: options.destinationOf ?? ((key) => ({ key, isForeign: false })),
    restsUntil: options.restsUntil ?? (() => null),
    recovered: (isReached) => void options.spool.hasten(isReached, options.clock.now()),
  });

  const begin = (lease: SpoolLease) => {
    const domain = lease.item.envelope.recipients[0]?.address.domain ?? "";
    const work = options.work(lease, stopping.signal).then(
      (reach) => gate.ended(domain, reach),
      (error: unknown) => {
        gate.ended(domain, { reached: [], unreached: [] });
        options.log.error("delivery-failed", { entry: lease.item.id, reason: errorText(error) });
      },
    );
    running.add(work);
    void work.finally(() => {
      running.delete(work);
      wake();
    });
  };
  const turn = async (): Promise<void> => {
    const heard = alarm.signal;
    const sleepMs = await leaseSome(options, gate, begin, stopping.signal);
    if (stopping.signal.aborted) return;
    await pause(options.clock, sleepMs, heard);
    if (heard.aborted) alarm = new AbortController();
  };
  return {
    start() {
      loop = (async () => {
        while (!stopping.signal.aborted) await turn();
      })();
    },
    wake,
    async stop() {
      stopping.abort(new Error("the relay is stopping"));
      wake();
      await loop;
      await Promise.all(running);
    },
  };
}

/** So many leases before their deliveries begin: reading a message to check it takes its time. */
const LEASES_A_TURN = 10;

/** Begins with what the gate lets pass. Returns how long to sleep unless woken. */
async function leaseSome(
  { spool, clock, log }: RetryLoopOptions,
  gate: DestinationGate,
  begin: (lease: SpoolLease) => void,
  signal: AbortSignal,
): Promise<number> {
  try {
    for (let leased = LEASES_A_TURN; leased > 0 && !signal.aborted; ) {
      const free = Math.min(gate.free(), LEASES_A_TURN);
      if (free === 0) return LONGEST_SLEEP_MS;
      const leases = await spool.leaseDue(clock.now(), free, gate);
      for (const lease of leases) begin(lease);
      leased = leases.length;
    }
  } catch (error) {
    log.error("spool-not-leased", { reason: errorText(error) });
    return SPOOL_PAUSE_MS;
  }
  const next = spool.nextDueAt();
  return next === null
    ? LONGEST_SLEEP_MS
    : Math.min(Math.max(next - clock.now(), 0), LONGEST_SLEEP_MS);
}
