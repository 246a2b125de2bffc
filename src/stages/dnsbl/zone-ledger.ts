import type { BreakerRules } from "./hit-rate-breaker.ts";

/** What one process saw of a zone since it last told. Plain JSON. */
export interface ZoneCounts {
  /** The zone as log and metrics name it. */
  readonly label: string;
  /** Clients for which the zone gave an answer. */
  readonly asked: number;
  readonly listed: number;
  /** Of these, those that no other zone listed. */
  readonly lone: number;
  /** Questions without an answer to believe. */
  readonly failed: number;
  readonly totalMs: number;
  readonly slowestMs: number;
  /** By the label of the other zone, how many clients both listed. */
  readonly shared: Readonly<Record<string, number>>;
  /** What its canary said. */
  readonly standing: string;
  /** Null: whatever it lists is believed. */
  readonly rules: BreakerRules | null;
}

export interface DemotedZone {
  readonly label: string;
  readonly reason: string;
}

/** The counts of all processes together, and what follows from them. */
export interface ZoneLedger {
  /** Adds up; answers which zones may not refuse anybody now. Rejects when nobody can tell. */
  report(counts: readonly ZoneCounts[]): Promise<readonly DemotedZone[]>;
}

/** What the process that keeps the ledger does for the others. */
export interface ZoneOwnerOperations {
  readonly [operation: string]: (input: never) => unknown;
  reportZones(counts: readonly ZoneCounts[]): Promise<readonly DemotedZone[]>;
}

/** Of some days, for people. */
export interface ZoneStats {
  readonly zone: string;
  readonly asked: number;
  readonly listed: number;
  readonly lone: number;
  readonly failed: number;
  readonly meanMs: number | null;
  readonly slowestMs: number;
  readonly shared: Readonly<Record<string, number>>;
  /** The share of clients that it alone listed on the last days; null: too few to tell. */
  readonly usual: number | null;
  readonly standing: string;
  /** Why it may not refuse anybody; null: it may. */
  readonly demoted: string | null;
}

/** Of a process that is no gateway: nothing is counted, and every zone is believed. */
export const NO_LEDGER: ZoneLedger = { report: async () => [] };
