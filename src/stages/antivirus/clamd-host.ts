import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { ClamdEndpoint } from "./clamd-exchange.ts";
import { type ClamdHealth, createClamdHealth } from "./clamd-health.ts";
import { followAbort } from "./follow-abort.ts";
import { openInstream } from "./instream.ts";
import { createScanSlots } from "./scan-slots.ts";
import { createScanWatch } from "./scan-watch.ts";
import { type NotScanned, notScanned, type ScanJob, type ScanResult } from "./scanner.ts";

/** One clamd: its health, and its slots, which should be no more than its MaxThreads. */
export interface ClamdHost {
  /** As the settings say it. */
  readonly address: string;
  readonly health: ClamdHealth;
  inUse(): number;
  waiting(): number;
  /** Runs a job with one slot. A NotScanned means that the job never ran. */
  attempt<T extends { readonly result: ScanResult }>(
    job: ScanJob<T>,
    signal: AbortSignal,
  ): Promise<T | NotScanned>;
}

export interface ClamdHostOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly slots: number;
  readonly maxWaiting: number;
}

export function createClamdHost(
  address: string,
  endpoint: ClamdEndpoint,
  options: ClamdHostOptions,
): ClamdHost {
  const health = createClamdHealth(endpoint, options.clock, options.log.with({ address }));
  const slots = createScanSlots(options.slots, options.maxWaiting);
  const watch = createScanWatch(options.clock, () => health.probe());

  const openWith = (signal: AbortSignal) =>
    openInstream(endpoint, signal, ({ kind, reason }) => {
      if (kind === "refused") health.markDown(reason);
      else if (kind === "broken") void health.probe();
    });

  return {
    address,
    health,
    inUse: slots.inUse,
    waiting: slots.waiting,
    async attempt(job, signal) {
      if (!(await health.ready())) return notScanned("down", health.reason() ?? "no answer");
      const own = new AbortController();
      const unfollow = [followAbort(signal, own), followAbort(health.downSignal(), own)];
      const release = await slots.take(own.signal);
      const endWatch = watch.begin();
      try {
        if (release) return await job(() => openWith(own.signal));
        return whyNoSlot(signal, health);
      } finally {
        endWatch();
        release?.();
        for (const letGo of unfollow) letGo();
        // Whatever stream the job left open ends here.
        own.abort(new Error("the scan is over"));
      }
    },
  };
}

function whyNoSlot(signal: AbortSignal, health: ClamdHealth): NotScanned {
  if (signal.aborted) return notScanned("timeout", "no slot in time");
  const down = health.reason();
  return down === null ? notScanned("busy", "too many scans wait") : notScanned("down", down);
}
