import type { TransactionId } from "../base/ids.ts";
import type { Envelope } from "../mail/envelope.ts";
import type { FieldOrigin } from "../mail/field-origin.ts";
import type { MessageSource } from "../mail/message.ts";
import type { Cause } from "../pipeline/cause.ts";

/**
 * Held mail: bytes first (a file named by an opaque id, fsynced), then the index. An entry without
 * bytes cannot exist; bytes without an entry are removed at start. `hold` is durable when it
 * resolves and throws Unavailable("quarantine") otherwise: the gateway then answers 451.
 */
export interface Quarantine {
  hold(item: NewHold, source: MessageSource): Promise<Hold>;
  list(filter: HoldFilter): Promise<readonly Hold[]>;
  find(id: string): Promise<Hold | null>;
  /** The bytes as they would be delivered, with our headers; null when they are gone. */
  open(id: string): Promise<MessageSource | null>;
  /** Claims a held entry for its one release; false when somebody did before, or it is gone. */
  claimRelease(id: string, by: string): Promise<boolean>;
  /** Gives the claim back: the release could not be made durable. */
  unclaimRelease(id: string): Promise<void>;
  delete(id: string, by: string): Promise<boolean>;
  /** Deletes what is past its date. Returns how many. */
  expire(now: number): Promise<number>;
  stats(): Promise<{ readonly held: number; readonly bytes: number }>;
  close(): Promise<void>;
}

export interface NewHold {
  readonly transactionId: TransactionId;
  readonly cause: Cause;
  /** In words, for the administrator. */
  readonly detail: string;
  readonly envelope: Envelope;
  readonly senderAuthenticated: boolean;
  readonly needs: { readonly eightBitMime: boolean; readonly smtpUtf8: boolean };
  /** Where a bounce may follow a release; see spool.ts. */
  readonly fieldOrigins?: readonly FieldOrigin[];
  readonly clientIp: string;
  readonly subject: string | null;
  readonly from: string | null;
  readonly score: number;
  readonly heldAt: number;
  /** Kept until then, milliseconds since the epoch. */
  readonly expiresAt: number;
}

export interface Hold extends NewHold {
  readonly id: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly state: "held" | "released" | "deleted";
  readonly releasedBy: string | null;
}

/** Addresses compare by parts and without case; `sinceMs` is milliseconds since the epoch. */
export interface HoldFilter {
  readonly recipient?: string;
  readonly sender?: string;
  readonly cause?: Cause;
  readonly sinceMs?: number;
  readonly state?: Hold["state"];
  readonly transactionId?: string;
  /** At most this many, newest first. */
  readonly limit: number;
}
