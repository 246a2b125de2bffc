import { type Clock, pause } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Spool, SpoolLease } from "../spool/spool.ts";

export interface RetryLoopOptions {
  readonly spool: Pick<Spool, "leaseDue" | "nextDueAt">;
  readonly clock: Clock;
  readonly log: Log;
  /** Delivers one entry and ends its lease. Must not reject. */
  readonly work: (lease: SpoolLease, signal: AbortSignal) => Promise<void>;
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

/** More would only queue for the connections to the hub (20 by default). */
const AT_ONCE = 20;
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

  const begin = (lease: SpoolLease) => {
    const work = options.work(lease, stopping.signal).catch((error: unknown) => {
      options.log.error("delivery-failed", { entry: lease.item.id, reason: errorText(error) });
    });
    running.add(work);
    void work.finally(() => {
      running.delete(work);
      wake();
    });
  };
  const turn = async (): Promise<void> => {
    const heard = alarm.signal;
    const free = AT_ONCE - running.size;
    const sleepMs = await leaseSome(options, free, begin);
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

/** Begins with up to `free` entries. Returns how long to sleep unless woken. */
async function leaseSome(
  { spool, clock, log }: RetryLoopOptions,
  free: number,
  begin: (lease: SpoolLease) => void,
): Promise<number> {
  if (free <= 0) return LONGEST_SLEEP_MS;
  try {
    for (const lease of await spool.leaseDue(clock.now(), free)) begin(lease);
  } catch (error) {
    log.error("spool-not-leased", { reason: errorText(error) });
    return SPOOL_PAUSE_MS;
  }
  const next = spool.nextDueAt();
  return next === null
    ? LONGEST_SLEEP_MS
    : Math.min(Math.max(next - clock.now(), 0), LONGEST_SLEEP_MS);
}
