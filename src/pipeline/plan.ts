import type { RelayPermission } from "../smtp/relay-permission.ts";
import type { Phase } from "./report.ts";
import type { BoundStage } from "./stage.ts";

/** Mail of strangers, and mail of those who may relay: each has a plan of its own. */
export type Pipeline = "inbound" | "outbound";

export type Plans<Services> = { readonly [P in Pipeline]: Plan<Services> };

export function pipelineOf(relay: RelayPermission | null): Pipeline {
  return relay === null ? "inbound" : "outbound";
}

/** The compiled pipeline: phases → steps → stages. Stages of one step start together. */
export interface Plan<Services> {
  readonly phases: { readonly [P in Phase]: PhasePlan<P, Services> };
  /** `monitor`: every refusal by a stage that is not essential is stamped, not carried out. */
  readonly mode: "enforce" | "monitor";
  readonly scoring: Scoring;
}

export interface PhasePlan<P extends Phase, Services> {
  readonly budgetMs: number;
  readonly steps: readonly (readonly BoundStage<P, Services>[])[];
}

export interface Scoring {
  /** Scores of policy, by symbol; they override the stage's own. */
  readonly scores: ReadonlyMap<string, number>;
  readonly thresholds: Thresholds;
  /** Index i holds the least score of SCL i + 1; SCL 0 below the first. Nine ascending numbers. */
  readonly scl: readonly number[];
}

/** A sum of scores at or above the number has that effect; null: never. */
export interface Thresholds {
  readonly quarantine: number | null;
  readonly reject: number | null;
}
