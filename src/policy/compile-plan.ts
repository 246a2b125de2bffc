import type { PhasePlan, Plan } from "../pipeline/plan.ts";
import { PHASES, type Phase } from "../pipeline/report.ts";
import type { AnyStage, BoundStage, Placement, Stage } from "../pipeline/stage.ts";
import { hint } from "./nearest.ts";
import type { PipelineFile, PlacedStage } from "./pipeline-file.ts";
import type { Domains } from "./snapshot.ts";
import type { Path, Source } from "./source.ts";

/** The stage that gets the compiled domains as its options, and that no pipeline may leave out. */
export const DOMAINS_STAGE = "domains";

/** What a stage found in its file, in the shape of its schema; undefined after a problem. */
export type StageOptions = (stage: { readonly name: string }) => unknown;

export interface PlanInput<Services> {
  readonly file: PipelineFile;
  readonly source: Source;
  readonly catalog: readonly AnyStage<Services>[];
  readonly optionsOf: StageOptions;
}

/** Places the stages as `pipeline.yaml` says. Complains about what cannot be placed. */
export function compilePlan<Services>(input: PlanInput<Services>): Plan<Services> {
  const { file, source, catalog } = input;
  reportPlacements(file, source, catalog);
  return {
    mode: file.mode,
    phases: {
      connect: compilePhase("connect", input),
      helo: compilePhase("helo", input),
      mail: compilePhase("mail", input),
      rcpt: compilePhase("rcpt", input),
      data: compilePhase("data", input),
    },
    scoring: {
      scores: new Map(Object.entries(file.scores)),
      thresholds: file.thresholds,
      scl: file.scl,
    },
  };
}

/** Names of all stages that the pipeline runs. */
export function placedStages<Services>(
  file: PipelineFile,
  catalog: readonly AnyStage<Services>[],
): ReadonlySet<string> {
  return new Set(
    PHASES.flatMap((phase) =>
      stepsOf(phase, file, catalog).flatMap((step) => step.map(({ stage }) => stage)),
    ),
  );
}

type Placed = Exclude<PlacedStage, string>;

/**
 * A phase that the file does not mention runs every shipped stage of it, each in a step of its own:
 * slower than it could be, and right whatever builds on what.
 */
function stepsOf<Services>(
  phase: Phase,
  file: PipelineFile,
  catalog: readonly AnyStage<Services>[],
): readonly (readonly Placed[])[] {
  const { steps } = file.phases[phase];
  if (!steps)
    return catalog.filter((stage) => stage.phase === phase).map(({ name }) => [toPlaced(name)]);
  return steps.map((step) => step.map(toPlaced));
}

function toPlaced(entry: PlacedStage): Placed {
  return typeof entry === "string" ? { stage: entry, mode: "enforce" } : entry;
}

function compilePhase<P extends Phase, Services>(
  phase: P,
  { file, source, catalog, optionsOf }: PlanInput<Services>,
): PhasePlan<P, Services> {
  // Sound: AnyStage is a union by phase, but a filter cannot narrow it by a type parameter.
  const stages = catalog.filter(
    (stage) => stage.phase === phase,
  ) as readonly unknown[] as readonly Stage<P, Services>[];
  const isOurs = ownership(optionsOf);
  const steps = stepsOf(phase, file, catalog).map((step, s) =>
    step.flatMap((placed, i): readonly BoundStage<P, Services>[] => {
      const stage = stages.find(({ name }) => name === placed.stage);
      const options = stage && optionsOf(stage);
      if (!stage || options === undefined) return [];
      const bound = stage.bind(options, { ...toPlacement(placed), isOurs });
      reportEssential(bound, placed, source, ["phases", phase, "steps", s, i]);
      return [bound];
    }),
  );
  return { budgetMs: file.phases[phase].budgetMs, steps };
}

function ownership(optionsOf: StageOptions): (domain: string) => boolean {
  const domains = optionsOf({ name: DOMAINS_STAGE }) as Domains | undefined;
  return (domain) => (domains?.find(domain) ?? null) !== null;
}

function toPlacement({ mode, onFailure, timeoutMs }: Placed): Placement {
  return {
    mode,
    ...(onFailure !== undefined && { onFailure }),
    ...(timeoutMs !== undefined && { timeoutMs }),
  };
}

/** An essential stage keeps us from being an open relay: it can neither watch only nor fail open. */
function reportEssential(
  bound: { readonly name: string; readonly essential: boolean },
  placed: Placed,
  source: Source,
  path: Path,
): void {
  if (!bound.essential) return;
  if (placed.mode === "observe")
    source.complain(
      [...path, "mode"],
      `expected enforce: without \`${bound.name}\` the gateway is an open relay`,
    );
  if (placed.onFailure === "open")
    source.complain(
      [...path, "onFailure"],
      `expected closed or hold: \`${bound.name}\` must not fail open`,
    );
}

function reportPlacements<Services>(
  file: PipelineFile,
  source: Source,
  catalog: readonly AnyStage<Services>[],
): void {
  const seen = new Set<string>();
  for (const { name, phase, path } of writtenStages(file)) {
    const fault = placementFault(name, phase, catalog, seen);
    if (fault !== null) source.complain(path, fault);
    seen.add(name);
  }
  const ships = catalog.some(({ name }) => name === DOMAINS_STAGE);
  if (!ships || placedStages(file, catalog).has(DOMAINS_STAGE)) return;
  const message = `expected stage \`${DOMAINS_STAGE}\`: without it the gateway is an open relay`;
  source.complain(["phases", "rcpt", "steps"], message, "key");
}

interface WrittenStage {
  readonly name: string;
  readonly phase: Phase;
  /** Where the name stands. */
  readonly path: Path;
}

function writtenStages(file: PipelineFile): readonly WrittenStage[] {
  const inStep = (phase: Phase, step: readonly PlacedStage[], s: number): WrittenStage[] =>
    step.map((placed, i) => {
      const path = ["phases", phase, "steps", s, i];
      if (typeof placed === "string") return { name: placed, phase, path };
      return { name: placed.stage, phase, path: [...path, "stage"] };
    });
  return PHASES.flatMap((phase) =>
    (file.phases[phase].steps ?? []).flatMap((step, s) => inStep(phase, step, s)),
  );
}

function placementFault<Services>(
  name: string,
  phase: Phase,
  catalog: readonly AnyStage<Services>[],
  seen: ReadonlySet<string>,
): string | null {
  const stage = catalog.find((candidate) => candidate.name === name);
  if (!stage)
    return `unknown stage \`${name}\`${hint(
      name,
      catalog.map((known) => known.name),
    )}`;
  if (stage.phase !== phase) return `stage \`${name}\` runs in phase ${stage.phase}, not ${phase}`;
  return seen.has(name) ? `stage \`${name}\` is placed twice` : null;
}
