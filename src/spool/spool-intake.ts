import type { AttemptLeft, Spool } from "./spool.ts";

/** The half of the spool that a process needs which takes mail and does not retry it. */
export type SpoolIntake = Pick<Spool, "add" | "addLeased">;

/** The other half, for the process that delivers what is due. */
export type SpoolQueue = Pick<Spool, "leaseDue" | "nextDueAt" | "hasten" | "stats">;

/**
 * What the owner of the spool does for other processes. They write and fsync a draft in `incoming/`
 * themselves; the owner's `adopt` makes it the promise. `from` names the process: when it dies, its
 * drafts go and its leases are due again.
 */
export interface SpoolOwnerOperations {
  readonly [operation: string]: (input: never) => unknown;
  /** `draft` is the name of a file in `incoming/`. */
  adopt(input: {
    readonly from: string;
    readonly draft: string;
    readonly id: string;
    readonly leased: boolean;
  }): Promise<void>;
  endLease(input: { readonly from: string; readonly id: string } & LeaseEnd): Promise<void>;
}

export type LeaseEnd = { readonly end: "remove" } | ({ readonly end: "retry" } & AttemptLeft);
