import type { TransactionId } from "../base/ids.ts";
import type { Json } from "../base/json.ts";
import type {
  DmarcPolicyFacts,
  DmarcResultFacts,
  Fact,
  TlsSessionFact,
  TransactionRecord,
} from "../pipeline/facts.ts";

/**
 * What happened to every message, with its evidence. Writing never delays mail: facts queue up to a
 * bound, beyond it they are dropped and counted. The one writer and every search run in a worker.
 */
export interface Tracking extends TlsSessionCounts, DmarcCounts {
  /** Takes a fact; false when the queue is full or the store is away (the fact is lost). */
  record(fact: Fact): boolean;
  /** Resolves when every fact taken so far is stored. */
  flush(): Promise<void>;
  explain(id: TransactionId): Promise<TransactionStory | null>;
  trace(query: TraceQuery): Promise<readonly TraceRow[]>;
  /** What one stage saw of the newest `most` transactions, newest first. */
  stageEvidence(query: StageEvidenceQuery): AsyncIterable<StageEvidence>;
  /** Removes what is older. Returns how many transactions. */
  expire(before: number): Promise<number>;
  lost(): number;
  close(): Promise<void>;
}

/** Sessions in TLS with others, counted by day (RFC 8460). `day`: a date in UTC, `2026-11-24`. */
export interface TlsSessionCounts {
  /** Domains with sessions on that day that `noteTlsReport` was not called for. */
  tlsDomains(day: string): Promise<readonly string[]>;
  tlsSessions(day: string, domain: string): Promise<readonly CountedTlsSession[]>;
  /** Once for each domain and day; durable when it resolves. */
  noteTlsReport(day: string, domain: string): Promise<void>;
}

export interface CountedTlsSession extends Omit<TlsSessionFact, "kind" | "at" | "domain"> {
  readonly count: number;
}

/** What DMARC said of mail, counted by day and policy domain (RFC 9990). */
export interface DmarcCounts {
  /**
   * Policy domains with mail on that day that `noteDmarcReport` was not called for. "" stands for
   * those of which there was no room to count anything.
   */
  dmarcDomains(day: string): Promise<readonly string[]>;
  dmarcDay(day: string, domain: string): Promise<DmarcDay | null>;
  /** Once for each domain and day; durable when it resolves. Forgets the results. */
  noteDmarcReport(day: string, domain: string): Promise<void>;
}

export interface DmarcDay {
  /** The last that was seen. */
  readonly policy: DmarcPolicyFacts;
  readonly results: readonly CountedDmarcResult[];
  /** Messages beyond the number of kinds that are counted. */
  readonly leftOut: number;
}

export interface CountedDmarcResult extends DmarcResultFacts {
  readonly count: number;
}

export interface TransactionStory {
  readonly record: TransactionRecord;
  /** What became of it after our reply, in order. */
  readonly fate: readonly Fact[];
}

export interface TraceQuery {
  /** Parts of addresses and of the subject; compared without case. */
  readonly from?: string;
  readonly to?: string;
  readonly subject?: string;
  /** Of the client, or of whom a trusted relay had the mail from. */
  readonly ip?: string;
  /** Milliseconds since the epoch. */
  readonly since?: number;
  readonly limit: number;
}

export interface StageEvidenceQuery {
  readonly stage: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly most: number;
}

export interface StageEvidence {
  readonly at: number;
  readonly evidence: Json;
}

export interface TraceRow {
  readonly id: TransactionId;
  readonly at: number;
  readonly clientIp: string;
  /** Whom a trusted relay had it from; absent: no relay brought it, nobody knows, or an earlier version wrote this. */
  readonly originIp?: string;
  readonly sender: string;
  readonly recipients: readonly string[];
  readonly subject: string | null;
  readonly action: TransactionRecord["action"];
  readonly cause: TransactionRecord["cause"];
  readonly reply: string;
}
