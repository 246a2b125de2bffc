import type { Counts } from "../../reputation/reputation.ts";

export type TermName = "bad" | "helo" | "reverse" | "unknown-recipients" | "proxy" | "identity";

/** What one consideration adds to the level. */
export type Term = {
  readonly term: TermName;
  /** To two decimals; negative for what speaks for the client. */
  readonly points: number;
  readonly why: string;
};

/** What the store knew of one subject. */
export type KnownRecord = {
  readonly counts: Counts;
  readonly firstSeen: number;
  readonly lastSeen: number;
  readonly helos: readonly string[];
};

export type SeenSubject = {
  /** As subjectText spells it. */
  readonly subject: string;
  /** Null: nothing is known. */
  readonly record: KnownRecord | null;
};

/** `unresolved`: DNS could not tell, which says nothing of the client. */
export type ReverseName = {
  readonly status: "found" | "none" | "unresolved";
  readonly name: string | null;
  /** The name leads back to the address: only then is it the client's (RFC 1912 2.1). */
  readonly confirmed: boolean;
};

export type SeenBlock = {
  readonly subject: string;
  readonly reason: string;
  readonly by: string;
  readonly since: number;
  readonly until: number;
};

export type ReputationEvidence = {
  readonly client: SeenSubject;
  readonly network: SeenSubject | null;
  readonly helo: SeenSubject | null;
  /** Of a confirmed name alone: any owner of an address can write any name into its reverse zone. */
  readonly reverseDomain: SeenSubject | null;
  /** For which SPF passed. */
  readonly domain: SeenSubject | null;
  readonly reverse: ReverseName;
  /** Lists that call the client an open proxy or a hijacked machine. */
  readonly proxy: readonly string[];
  /** As it was then, for stages that build on it; a judge computes it anew. */
  readonly srl: number;
  readonly terms: readonly Term[];
  readonly block: SeenBlock | null;
  /** Why the store could not be asked. */
  readonly away: string | null;
  /** What was in force, for those who learn from the outcome. */
  readonly rules: {
    readonly blockHours: number;
    readonly badFrom: number;
    readonly goodBelow: number;
  };
};
