import type { Json } from "../base/json.ts";
import type { Verdict } from "./verdict.ts";

/** The moments at which stages run, in the order of a session. */
export type Phase = "connect" | "helo" | "mail" | "rcpt" | "data";

export const PHASES: readonly Phase[] = ["connect", "helo", "mail", "rcpt", "data"];

/** What happens to mail when a stage throws or is late: pass it, answer 451, or hold it. */
export type FailureMode = "open" | "closed" | "hold";

/** The account one stage leaves of one run: feeds decision, log, metrics, explain and replay. */
export interface StageReport {
  readonly stage: string;
  readonly phase: Phase;
  /** Only in the rcpt phase: the address as spoken. */
  readonly recipient?: string;
  readonly outcome: "judged" | "failed" | "timeout" | "skipped";
  readonly ms: number;
  /** What the stage saw; null when it failed or was skipped. */
  readonly evidence: Json;
  readonly verdict: Verdict;
  /** `observe`: the verdict is logged and counts for nothing. */
  readonly mode: "enforce" | "observe";
  /** A spam stage: trust and exempt recipients (postmaster, abuse) make it count for nothing. */
  readonly trustable: boolean;
  /** Counts in monitor mode too: without it we would be an open relay. */
  readonly essential: boolean;
  /** It could have trusted the mail, so its failure softens a spam reject to a defer. */
  readonly canTrust: boolean;
  readonly error?: string;
}

/** Reports by stage: evidence that need not be gathered again under another snapshot. */
export function reportsByStage(reports: readonly StageReport[]): ReadonlyMap<string, StageReport> {
  return new Map(reports.map((report) => [report.stage, report]));
}
