import type { TransactionId } from "../base/ids.ts";
import type { Envelope } from "../mail/envelope.ts";
import type { MessageSource } from "../mail/message.ts";

/**
 * Mail that we answered 250 for and still owe. States are folders, written down as files:
 *
 *   incoming/  a draft: nothing is promised
 *   due/       the promise: fsync(file), rename, fsync(folder) have happened
 *   active/    leased by an attempt of this process
 *   corrupt/   does not parse; set aside, reported, never delivered
 *
 * `recover` runs before a listener opens: drafts are removed, active entries are due again. At
 * worst a message is delivered twice: when a process dies between the hub's 250 and `remove`.
 * One owner process; every method but `stats` may throw Unavailable("spool").
 */
export interface Spool {
  /** `beside`: other processes of ours are at work, and their drafts stay. */
  recover(beside?: boolean): Promise<RecoverReport>;
  /** Durable when it resolves. `leased`: it belongs to the caller's running attempt. */
  add(item: NewSpoolItem, source: MessageSource): Promise<SpoolItem>;
  addLeased(item: NewSpoolItem, source: MessageSource): Promise<SpoolLease>;
  /**
   * Makes the promise for a draft that another process of ours has written and fsynced as the file
   * `draft` in `incoming/`. Durable when it resolves. Null unless `leased`. May be asked again when
   * the answer was lost.
   */
  adopt(draft: string, id: string, leased: boolean): Promise<SpoolLease | null>;
  /** Leases up to `limit` entries whose time has come, the longest due first. */
  leaseDue(now: number, limit: number): Promise<readonly SpoolLease[]>;
  /** When the next entry is due; null when there is none. Milliseconds since the epoch. */
  nextDueAt(): number | null;
  list(): readonly SpoolItem[];
  stats(): SpoolStats;
}

export interface NewSpoolItem {
  readonly transactionId: TransactionId;
  /** Recipients are those still owed. */
  readonly envelope: Envelope;
  /** Passed SPF or came from the hub, so that a bounce may be sent (threats.md P9). */
  readonly senderAuthenticated: boolean;
  /** What a hub must offer to take it as it is. */
  readonly needs: { readonly eightBitMime: boolean; readonly smtpUtf8: boolean };
  /** It goes also where DANE or MTA-STS would not let it: a report about broken TLS (RFC 8460 3). */
  readonly ignoresTlsPolicies?: boolean;
  readonly receivedAt: number;
  readonly dueAt: number;
  /** Why it is here, in words. */
  readonly reason: string;
}

export interface SpoolItem extends NewSpoolItem {
  /** Unique in the spool; one transaction may have several entries. */
  readonly id: string;
  readonly attempts: number;
  readonly bytes: number;
}

/** The right to deliver one entry. Exactly one of `remove` and `retry` frees it. */
export interface SpoolLease {
  readonly item: SpoolItem;
  readonly source: MessageSource;
  /** Nothing is owed any more. */
  remove(): Promise<void>;
  /** Due again, with what is left. Durable when it resolves. */
  retry(left: {
    readonly recipients: Envelope["recipients"];
    readonly dueAt: number;
    readonly reason: string;
  }): Promise<void>;
}

export interface SpoolStats {
  readonly due: number;
  readonly active: number;
  readonly bytes: number;
  /** Set aside since the start, those found by `recover` included. */
  readonly corrupt?: number;
  /** Receipt of the oldest entry, milliseconds since the epoch. */
  readonly oldestAt: number | null;
}

export interface RecoverReport {
  readonly due: number;
  readonly drafts: number;
  readonly corrupt: readonly string[];
}
