import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { isDraftOf } from "./remote-spool.ts";
import type { Spool, SpoolLease } from "./spool.ts";
import type { SpoolOwnerOperations } from "./spool-intake.ts";
import { createSpoolIo, type SpoolIo } from "./spool-io.ts";

export interface SpoolOwnerOptions {
  readonly folder: string;
  readonly spool: Pick<Spool, "adopt">;
  readonly clock: Clock;
  readonly log: Log;
  /** Something may be due. */
  readonly wake: () => void;
  readonly io?: SpoolIo;
}

/** Serves the processes that only put into the spool. */
export interface SpoolOwner {
  readonly operations: SpoolOwnerOperations;
  /** Its drafts go, and what it was delivering is due again. Never throws. */
  gone(from: string): Promise<void>;
}

interface Lent {
  readonly from: string;
  readonly lease: SpoolLease;
}

export function createSpoolOwner(options: SpoolOwnerOptions): SpoolOwner {
  const { spool, wake } = options;
  const lent = new Map<string, Lent>();
  /** On their way to the disk, and for whom. */
  const adopting = new Map<Promise<void>, string>();
  const lend: SpoolOwnerOperations["adopt"] = async ({ from, draft, id, leased }) => {
    const lease = await spool.adopt(draft, id, leased);
    if (lease) lent.set(id, { from, lease });
    else wake();
  };
  return {
    operations: {
      adopt(input) {
        const work = lend(input);
        adopting.set(work, input.from);
        return work.finally(() => adopting.delete(work));
      },
      async endLease({ from, id, ...how }) {
        const held = lent.get(id);
        // The owner died meanwhile and its successor has the entry due: it may arrive twice.
        if (held?.from !== from) throw new Error(`the lease of ${id} has ended`);
        if (how.end === "remove") await held.lease.remove();
        else await held.lease.retry(how);
        lent.delete(id);
        wake();
      },
    },
    async gone(from) {
      const last = [...adopting].flatMap(([work, its]) => (its === from ? [work] : []));
      await Promise.allSettled(last);
      for (const [id, held] of lent) {
        if (held.from !== from) continue;
        lent.delete(id);
        await free(options, held.lease);
      }
      await removeDrafts(options, from);
      wake();
    },
  };
}

/** Its process died between our dot and the hub's answer: nobody knows, so it is sent again. */
async function free({ clock, log }: SpoolOwnerOptions, lease: SpoolLease): Promise<void> {
  const { recipients } = lease.item.envelope;
  const reason = "the process that was delivering it died";
  try {
    await lease.retry({ recipients, dueAt: clock.now(), reason, hasCrashed: true });
  } catch (error) {
    log.error("spool-lease-not-ended", { entry: lease.item.id, reason: errorText(error) });
  }
}

async function removeDrafts(options: SpoolOwnerOptions, from: string): Promise<void> {
  const { folder, log, io = createSpoolIo() } = options;
  const incoming = join(folder, "incoming");
  try {
    const drafts = (await io.list(incoming)).filter((name) => isDraftOf(name, from));
    for (const draft of drafts) await io.remove(join(incoming, draft));
  } catch (error) {
    log.warn("spool-drafts-left", { from, reason: errorText(error) });
  }
}
