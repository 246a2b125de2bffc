import type { SessionId, TransactionId } from "../base/ids.ts";
import type { RelayPermission } from "../smtp/relay-permission.ts";
import type { RemoteTls } from "../smtp/remote-tls.ts";
import type { ListenerFacts, TlsFacts } from "../smtp/session-handler.ts";
import type { Cause } from "./cause.ts";
import type { Action } from "./decision.ts";
import type { Origin } from "./origin.ts";
import type { Pipeline } from "./plan.ts";
import type { StageReport } from "./report.ts";

/**
 * What happened, told to whoever listens: tracking, metrics, log, reputation. A listener cannot
 * change an outcome, and one that throws is logged and does not stop the others.
 */
export type Fact =
  | { readonly kind: "decided"; readonly at: number; readonly record: TransactionRecord }
  | (DeliveryFact & { readonly kind: "delivered" | "deferred" | "refused" })
  /** Delivery status messages to the sender: of a failure, a delay, of being passed on. */
  | (DeliveryFact & {
      readonly kind: "bounced" | "told-of-delay" | "told-of-relay";
      readonly bounceTo: string;
    })
  /** One of the last two could not be delivered itself: nothing is lost with it. */
  | (DeliveryFact & { readonly kind: "bounce-dropped" })
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
  | TlsSessionFact
  | DmarcResultFact
  /** What waited in the queue was held, let go or dropped by an operator, or held by us. */
  | {
      readonly kind: "queue-held" | "queue-released" | "queue-dropped";
      readonly at: number;
      readonly id: TransactionId;
      /** The entry of the spool. */
      readonly entry: string;
      readonly by: string;
      readonly reason: string;
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
  /** Of the hub, as connected. Absent where no session stood, and in records of earlier versions. */
  readonly address?: string;
  /** Of that session; null: in the clear. */
  readonly tls?: RemoteTls | null;
  /** The policy of the recipients' domain that demanded it, when one did. */
  readonly tlsPolicy?: string;
  /** Better servers that could not be had, and why; the first few. */
  readonly passedOver?: readonly PassedOver[];
  /** The hub's words, or why there were none. */
  readonly reply: string;
}

export interface PassedOver {
  /** host:port; null: no server was found. */
  readonly hub: string | null;
  readonly reason: string;
}

/** What DMARC said of one message, for the report to the owner of the policy (RFC 9990). */
export interface DmarcResultFact {
  readonly kind: "dmarc-result";
  readonly at: number;
  /** Where the policy stands. */
  readonly domain: string;
  readonly policy: DmarcPolicyFacts;
  readonly result: DmarcResultFacts;
}

type DmarcAction = "none" | "quarantine" | "reject";

/** As published, or what holds where nothing is. */
export interface DmarcPolicyFacts {
  readonly p: DmarcAction;
  readonly sp: DmarcAction;
  readonly np: DmarcAction;
  readonly adkim: "r" | "s";
  readonly aspf: "r" | "s";
  readonly testing: boolean;
  /** Options of failure reports; null: none are named. */
  readonly fo: string | null;
}

/** In the words of RFC 9990; nothing in it names a person. */
export interface DmarcResultFacts {
  readonly sourceIp: string;
  /** `pass`: it passed under a policy that would have done something. */
  readonly disposition: DmarcAction | "pass";
  /** Whether one that is aligned passed. */
  readonly dkim: "pass" | "fail";
  readonly spf: "pass" | "fail";
  readonly reasons: readonly DmarcOverride[];
  readonly headerFrom: string;
  /** "" for the null sender; null: no domain name. */
  readonly envelopeFrom: string | null;
  readonly signatures: readonly (DmarcAuthResult & { readonly selector: string })[];
  /** Null: SPF was not asked. */
  readonly spfResult: DmarcAuthResult | null;
}

/** Why less was done than the owner of the domain wants. */
export interface DmarcOverride {
  readonly type: "local_policy" | "policy_test_mode";
  readonly comment: string | null;
}

export interface DmarcAuthResult {
  readonly domain: string;
  readonly result: string;
  /** In our words. */
  readonly human: string | null;
}

/** What became of our DKIM signature or ARC seal under one message. */
export type SigningRecord =
  | {
      readonly kind: "signed";
      readonly signatures: readonly {
        readonly domain: string;
        readonly selector: string;
        readonly algorithm: string;
      }[];
    }
  | {
      readonly kind: "sealed";
      readonly domain: string;
      readonly selector: string;
      readonly instance: number;
      /** What the seal says of the chain before it. */
      readonly cv: string;
    }
  | { readonly kind: "unsigned" | "unsealed"; readonly reason: string };

/** One attempt to have a session in TLS with an MX host (RFC 8460), successful or not. */
export interface TlsSessionFact {
  readonly kind: "tls-session";
  readonly at: number;
  /** Of the recipients. */
  readonly domain: string;
  readonly policy: TlsPolicyFacts;
  readonly mxHost: string;
  /** Null: no connection was made. */
  readonly ip: string | null;
  readonly ownIp: string | null;
  readonly failure: TlsFailure | null;
}

/** The policy that a session was judged by, in the words of RFC 8460 4.4. */
export type TlsPolicyFacts =
  | {
      readonly type: "tlsa";
      /** The TLSA base domain: the MX host. */
      readonly domain: string;
      readonly strings: readonly string[];
    }
  | {
      readonly type: "sts";
      readonly domain: string;
      /** Empty: the policy could not be had. */
      readonly strings: readonly string[];
      readonly mx: readonly string[];
    }
  | { readonly type: "no-policy-found"; readonly domain: string };

export interface TlsFailure {
  readonly type: TlsFailureType;
  /** In our words. */
  readonly reason: string;
}

/** RFC 8460 4.3. */
export type TlsFailureType =
  | "starttls-not-supported"
  | "certificate-host-mismatch"
  | "certificate-expired"
  | "certificate-not-trusted"
  | "validation-failure"
  | "tlsa-invalid"
  | "dnssec-invalid"
  | "dane-required"
  | "sts-policy-fetch-error"
  | "sts-policy-invalid"
  | "sts-webpki-invalid";

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
  /** Absent: the client brought its own mail. Null: a trusted relay brought it, nobody knows whose. */
  readonly origin?: Origin | null;
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
  /** Of its copies; absent: nothing of the kind was to do, or an earlier version wrote this. */
  readonly signing?: readonly SigningRecord[];
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
