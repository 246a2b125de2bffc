import type { Greylist } from "./greylist.ts";
import type { Shelf } from "./shelf.ts";

/**
 * What past mail says about those who send it, greylisted triplets, and lists whose entries end by
 * themselves. One store for a whole installation: processes of one gateway share it, and with Redis
 * several gateways do.
 *
 * Every call ends within its implementation's limit and none throws: a store that is away answers
 * `unknown`, which is no opinion and never a good one. What is learned is handed over and written a
 * moment later, at most a second; a killed process loses no more than that. Another process or node
 * sees it within a second as well. Time is the caller's clock, so nodes should keep theirs set.
 */
export interface Reputation {
  /** In the order asked; null for one of whom nothing is known. Counters as decayed until now. */
  look(subjects: readonly Subject[]): Promise<Answer<readonly (SubjectRecord | null)[]>>;
  /** Never waits. What cannot be written is dropped and counted. A look after it sees it. */
  learn(lessons: readonly Lesson[]): void;
  /** How many there were. */
  forget(subjects: readonly Subject[]): Promise<Answer<number>>;
  /**
   * True for the first who asks with this id, false for all others until it is forgotten: for what
   * must be learned once only, although it may be told twice.
   */
  claim(id: string, forMs: number): Promise<Answer<boolean>>;
  readonly greylist: Greylist;
  /** Those whom we refuse for a while; see blocks.ts. */
  readonly blocks: Shelf;
  /** What an operator allowed or blocked by command. */
  readonly exceptions: Shelf;
  /** How often entries of access.yaml were of use. What they say stands in the file. */
  readonly fileEntries: Shelf;
  /** Waits until what was learned so far is written, or has failed. For commands and a stop. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

export type Answer<T> =
  | { readonly kind: "known"; readonly value: T }
  | { readonly kind: "unknown"; readonly reason: string };

/** Who sends, by one of his marks. Made by subjects.ts, so that everybody spells it alike. */
export interface Subject {
  readonly kind: SubjectKind;
  /** Canonical: `192.0.2.1`, `2001:db8::/64`, `192.0.2.0/24`, `mail.example.org`. */
  readonly key: string;
}

export const SUBJECT_KINDS = ["client", "network", "helo", "reverse-domain", "domain"] as const;
export type SubjectKind = (typeof SUBJECT_KINDS)[number];

/** What is counted of a subject. The order is that of stored records: append only. */
export const COUNTERS = [
  "ham",
  "spam",
  "virus",
  "recipient",
  "unknownRecipient",
  "abuse",
  "authPass",
  "authFail",
  "released",
] as const;
export type Counter = (typeof COUNTERS)[number];

export type Counts = Readonly<Record<Counter, number>>;

/** One thing learned of one subject. */
export interface Lesson {
  readonly subject: Subject;
  /** Negative amounts unlearn; no counter falls below 0. */
  readonly add?: Readonly<Partial<Record<Counter, number>>>;
  /** A name the client gave at HELO. */
  readonly helo?: string;
}

export interface SubjectRecord {
  readonly subject: Subject;
  /** Each halves every half-life, seven days unless told otherwise; to three decimals. */
  readonly counts: Counts;
  readonly firstSeen: number;
  readonly lastSeen: number;
  /** Distinct HELO names of the last seven days, the latest first, at most HELO_NAMES. */
  readonly helos: readonly string[];
}

/** What stages and commands take. */
export interface ReputationServices {
  readonly reputation: Reputation;
}

export function known<T>(value: T): Answer<T> {
  return { kind: "known", value };
}
