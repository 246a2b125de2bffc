import type { Pipeline, Plan } from "../pipeline/plan.ts";
import { PHASES, type Phase } from "../pipeline/report.ts";
import type { AnyStage } from "../pipeline/stage.ts";
import type { PipelineFile, PlacedStage } from "./pipeline-file.ts";
import type { Path } from "./source.ts";
import { withDefaults } from "./thresholds.ts";

/** Where the stages of one pipeline stand, with everything that the file left out. */
export interface Placements {
  readonly pipeline: Pipeline;
  readonly mode: Plan<unknown>["mode"];
  readonly thresholds: PipelineFile["thresholds"];
  readonly phases: { readonly [P in Phase]: PlacedPhase };
}

export interface PlacedPhase {
  readonly budgetMs: number;
  readonly steps: readonly (readonly Placed[])[];
}

export type Placed = Exclude<PlacedStage, string> & {
  /** Where the stage is written; null: it stands there by itself. */
  readonly path: Path | null;
};

type Catalog = readonly AnyStage<never>[];

/**
 * A phase that the file does not mention runs every shipped stage of it, each in a step of its own:
 * slower than it could be, and right whatever builds on what.
 */
export function placeInbound(file: PipelineFile, catalog: Catalog): Placements {
  const placed = (phase: Phase): PlacedPhase => {
    const { budgetMs, steps } = file.phases[phase];
    const shipped = catalog.filter((stage) => stage.phase === phase && stage.concerns !== "ours");
    return { budgetMs, steps: writtenSteps(steps, ["phases", phase]) ?? oneByOne(shipped) };
  };
  const { mode, thresholds } = file;
  return { pipeline: "inbound", mode, thresholds, phases: eachPhase(placed) };
}

/**
 * What is not written for mail of ours is as for mail of strangers, as far as it is not about
 * strangers, behind the stages that are about ours: who has taken a stage out or only watches with it
 * means both.
 */
export function placeOutbound(
  file: PipelineFile,
  inbound: Placements,
  catalog: Catalog,
): Placements {
  const { outbound } = file;
  const concerns = new Map(catalog.map((stage) => [stage.name, stage.concerns]));
  const placed = (phase: Phase): PlacedPhase => {
    const written = outbound.phases[phase];
    const { budgetMs, steps } = inbound.phases[phase];
    const ours = catalog.filter((stage) => stage.phase === phase && stage.concerns === "ours");
    const taken = steps
      .map((step) => step.filter(({ stage }) => concerns.get(stage) !== "strangers"))
      .filter((step) => step.length > 0)
      .map((step) => step.map((one) => ({ ...one, path: null })));
    return {
      budgetMs: written?.budgetMs ?? budgetMs,
      steps:
        writtenSteps(written?.steps, ["outbound", "phases", phase]) ?? oneByOne(ours).concat(taken),
    };
  };
  return {
    pipeline: "outbound",
    mode: outbound.mode ?? file.mode,
    thresholds: withDefaults(outbound.thresholds, file.thresholds),
    phases: eachPhase(placed),
  };
}

/** Names of all stages that a pipeline runs. */
export function namesOf({ phases }: Placements): readonly string[] {
  return PHASES.flatMap((phase) => phases[phase].steps.flat().map(({ stage }) => stage));
}

function writtenSteps(
  steps: readonly (readonly PlacedStage[])[] | undefined,
  path: Path,
): readonly (readonly Placed[])[] | undefined {
  return steps?.map((step, s) =>
    step.map((entry, i) => {
      const at = [...path, "steps", s, i];
      if (typeof entry === "string") return { stage: entry, mode: "enforce", path: at };
      return { ...entry, path: at };
    }),
  );
}

function oneByOne(stages: Catalog): readonly (readonly Placed[])[] {
  return stages.map(({ name }) => [{ stage: name, mode: "enforce", path: null }]);
}

function eachPhase<T>(make: (phase: Phase) => T): { readonly [P in Phase]: T } {
  return {
    connect: make("connect"),
    helo: make("helo"),
    mail: make("mail"),
    rcpt: make("rcpt"),
    data: make("data"),
  };
}
