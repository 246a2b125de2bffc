import type { TransactionId } from "../base/ids.ts";
import type { Envelope } from "../mail/envelope.ts";
import type { FieldOrigin } from "../mail/field-origin.ts";
import type { MessageSource } from "../mail/message.ts";
import type { SpoolDesk } from "./spool-desk.ts";

/**
 * Mail that we answered 250 for and still owe. States are folders, written down as files:
 *
 *   incoming/  a draft: nothing is promised
 *   due/       the promise: fsync(file), rename, fsync(folder) have happened
 *   active/    leased by an attempt of this process
 *   held/      waits for an operator: by his order, or because its process died too often with it
 *   corrupt/   does not parse; set aside, reported, never delivered
 *
 * `recover` runs before a listener opens: drafts are removed, active entries are due again, or held
 * if that was ordered meanwhile, and a crash is counted for them. It reads names only, and the files
 * of what was active; others are read when they are leased, and beside that one after the other. At
 * worst a message is delivered twice: when a process dies between the hub's 250 and `remove`. One
 * owner process; every method but `stats`, `size`, `list` and `hasten` may throw Unavailable("spool").
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
  /** Leases up to `limit` entries whose time has come and that the gate lets pass; due-order.ts. */
  leaseDue(now: number, limit: number, gate?: LeaseGate): Promise<readonly SpoolLease[]>;
  /** When to lease again; null when nothing waits. Milliseconds since the epoch. */
  nextDueAt(): number | null;
  /** What waits because no hub was reached is due now. Returns how many entries. */
  hasten(isReached: (domain: string) => boolean, now: number): number;
  list(): readonly KnownEntry[];
  stats(): SpoolStats;
  /** How many entries there are, in whatever state. `stats` looks at each of them, this at none. */
  size(): number;
  /** For operators. */
  readonly desk: SpoolDesk;
  /** No lease may be ended any more. What is still leased is due at the next start: no crash. */
  close(): Promise<void>;
}

/** What is known of an entry without reading its file. */
export interface KnownEntry {
  readonly id: string;
  readonly state: "due" | "active" | "held";
  readonly dueAt: number;
  /** Null until its file was read. */
  readonly known: EntryFacts | null;
}

export interface EntryFacts {
  readonly bytes: number;
  readonly receivedAt: number;
  readonly attempts: number;
  readonly crashes: number;
  /** Of those still owed, the first few. */
  readonly domains: readonly string[];
  /** The last attempt reached no hub. */
  readonly isUnreached: boolean;
}

/** Which destinations may have an attempt. */
export interface LeaseGate {
  /** What has no place for one more until one of its attempts ends; null: there is a place. */
  closedBy(domain: string): string | null;
  /** Whether it still has none. */
  isClosed(by: string): boolean;
  /** Until when no attempt makes sense, milliseconds since the epoch; null: one may be made. */
  restsUntil(domain: string, now: number): number | null;
  /** An entry whose first recipient is of this domain was leased. */
  took(domain: string): void;
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
  /** It is a delivery status message of ours, and what it tells. */
  readonly bounce?: BounceKind;
  /** Of header fields that are not as they came: what goes back to the sender shows these. */
  readonly fieldOrigins?: readonly FieldOrigin[];
}

/** What a delivery status message of ours tells (RFC 3464 2.3.3). */
export type BounceKind = "failed" | "delayed" | "relayed";

export interface SpoolItem extends NewSpoolItem {
  /** Unique in the spool; one transaction may have several entries. */
  readonly id: string;
  readonly attempts: number;
  readonly bytes: number;
  /** The sender knows of the delay, or is not to be told. */
  readonly delayTold?: boolean;
  /** How often in a row its process died during an attempt. Absent: never. */
  readonly crashes?: number;
  /** Who held it last, and why. */
  readonly held?: HoldOrder;
}

export interface HoldOrder {
  readonly by: string;
  readonly reason: string;
  readonly at: number;
}

/** The right to deliver one entry. Exactly one of `remove` and `retry` frees it. */
export interface SpoolLease {
  readonly item: SpoolItem;
  readonly source: MessageSource;
  /** Nothing is owed any more. */
  remove(): Promise<void>;
  /** Due again, with what is left. Durable when it resolves. */
  retry(left: AttemptLeft): Promise<void>;
}

export interface AttemptLeft {
  readonly recipients: Envelope["recipients"];
  readonly dueAt: number;
  readonly reason: string;
  /** No hub was reached, for any of them. */
  readonly isUnreached?: boolean;
  /** The process that was delivering it died. */
  readonly hasCrashed?: boolean;
  /** Once true it stays. */
  readonly delayTold?: boolean;
}

/**
 * So often in a row a process may die with an entry under way. Then the entry is suspected of killing
 * it and waits for an operator: one message must not keep the gateway down.
 */
export const MAX_CRASHES: number = 3;

export interface SpoolStats {
  readonly due: number;
  readonly active: number;
  /** Those whose files have not been read since the start are not in it. */
  readonly bytes: number;
  readonly held?: number;
  /** Entries whose files have not been read since the start. */
  readonly unread?: number;
  /** Set aside since the start, those found by `recover` included. */
  readonly corrupt?: number;
  /** Receipt of the oldest entry, milliseconds since the epoch. */
  readonly oldestAt: number | null;
}

export interface RecoverReport {
  readonly due: number;
  readonly drafts: number;
  /** What was held before, and what was set aside now because of its crashes. */
  readonly held: number;
  readonly corrupt: readonly string[];
}
