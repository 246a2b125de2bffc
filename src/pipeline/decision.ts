import type { Cause } from "./cause.ts";
import type { Edit } from "./edit.ts";
import type { Scoring, Thresholds } from "./plan.ts";
import type { StageReport } from "./report.ts";
import { type Finding, isRefusing, type RefusingVerdict } from "./verdict.ts";

/** What the gateway does. */
export type Action = "relay" | "quarantine" | "defer" | "reject";

/** The decision for one recipient (or for a session so far). Plain JSON. */
export interface Decision {
  readonly action: Action;
  readonly cause: Cause | null;
  /** The stage that decided; null when nobody refused or the score did. */
  readonly stage: string | null;
  /** Words for the reply, from the verdict that decided. */
  readonly about: Readonly<Record<string, string>>;
  readonly score: number;
  /** Spam confidence level: -1 trusted, else 0..9. */
  readonly scl: number;
  readonly findings: readonly Finding[];
  readonly edits: readonly Edit[];
  /** Stages that could not answer. */
  readonly degraded: readonly string[];
  /** Monitor mode: what would have been done; null when the same. */
  readonly would: Action | null;
}
