import type { SessionId, TransactionId } from "../base/ids.ts";
import type { RelayPermission } from "../smtp/relay-permission.ts";
import type { ListenerFacts, TlsFacts } from "../smtp/session-handler.ts";
import type { Cause } from "./cause.ts";
import type { Action } from "./decision.ts";
import type { Pipeline } from "./plan.ts";
import type { StageReport } from "./report.ts";

/**
 * What happened, told to whoever listens: tracking, metrics, log, reputation. A listener cannot
 * change an outcome, and one that throws is logged and does not stop the others.
 */
export type Fact =
  | { readonly kind: "decided"; readonly at: number; readonly record: TransactionRecord }
  | (DeliveryFact & { readonly kind: "delivered" | "deferred" | "refused" })
  | (DeliveryFact & { readonly kind: "bounced"; readonly bounceTo: string })
  | {
      readonly kind: "held";
      readonly at: number;
      readonly id: TransactionId;
      readonly holdId: string;
      readonly cause: Cause;
      readonly recipients: readonly string[];
    }
  | {
      readonly kind: "released" | "deleted";
      readonly at: number;
      readonly id: TransactionId;
      readonly holdId: string;
      readonly by: string;
      readonly recipients: readonly string[];
    }
  | { readonly kind: "policy-reloaded"; readonly at: number; readonly version: string };

/** One attempt's outcome for some recipients of one transaction. */
interface DeliveryFact {
  readonly at: number;
  readonly id: TransactionId;
  readonly recipients: readonly string[];
  /** host:port of the hub, or null when no connection came about. */
  readonly hub: string | null;
  /** The hub's words, or why there were none. */
  readonly reply: string;
}

/** The whole story of one transaction up to our reply: plain JSON, stored as is. */
export interface TransactionRecord {
  readonly id: TransactionId;
  readonly sessionId: SessionId;
  readonly receivedAt: number;
  readonly decidedAt: number;
  readonly policyVersion: string;
  readonly client: {
    readonly ip: string;
    readonly port: number;
    /** The proxy that named the client. */
    readonly via?: string;
  };
  readonly listener: ListenerFacts;
  readonly helo: { readonly verb: "HELO" | "EHLO"; readonly name: string };
  readonly tls: TlsFacts | null;
  /** Absent in records of earlier versions. */
  readonly relay?: RelayPermission | null;
  /** Absent in records of earlier versions: inbound. */
  readonly pipeline?: Pipeline;
  /** As spoken, without brackets; "" for the null sender. */
  readonly sender: string;
  readonly recipients: readonly RecipientRecord[];
  readonly message: MessageRecord | null;
  readonly reports: readonly StageReport[];
  readonly seed: string;
  /** `dropped`: the client ended it after an accepted recipient and before a reply to data. */
  readonly action: Action | "dropped";
  readonly cause: Cause | null;
  /** The stage whose verdict decided, or null. */
  readonly stage: string | null;
  readonly score: number;
  readonly scl: number;
  /** The line the client was told last, as sent. */
  readonly reply: string;
  /** Who holds the mail now. */
  readonly via: "hub" | "spool" | "quarantine" | null;
}

export interface RecipientRecord {
  /** As spoken. */
  readonly address: string;
  readonly action: Action | "dropped";
  readonly cause: Cause | null;
  /** Our line to RCPT TO. */
  readonly reply: string;
}

export interface MessageRecord {
  readonly size: number;
  readonly sha256: string;
  readonly messageId: string | null;
  readonly subject: string | null;
  readonly from: string | null;
}

export interface FactBus {
  emit(fact: Fact): void;
  /** Returns the function that ends the subscription. */
  listen(listener: (fact: Fact) => void): () => void;
}

/** Calls listeners in order of subscription. */
export function createFactBus(onError: (error: unknown) => void): FactBus {
  const listeners = new Set<(fact: Fact) => void>();
  return {
    emit(fact) {
      for (const listener of listeners) {
        try {
          listener(fact);
        } catch (error) {
          onError(error);
        }
      }
    },
    listen(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
