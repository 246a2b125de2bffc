import type { PhasePlan, Pipeline, Plan, Plans } from "../pipeline/plan.ts";
import { PHASES, type Phase } from "../pipeline/report.ts";
import type { AnyStage, BoundStage, House, Placement, Stage } from "../pipeline/stage.ts";
import { hint } from "./nearest.ts";
import type { PipelineFile } from "./pipeline-file.ts";
import {
  namesOf,
  type Placed,
  type Placements,
  placeInbound,
  placeOutbound,
} from "./place-stages.ts";
import type { Domains } from "./snapshot.ts";
import type { Path, Source } from "./source.ts";
import { reportOrder } from "./stage-order.ts";

/** The stage that gets the compiled domains as its options, and that no pipeline may leave out. */
export const DOMAINS_STAGE = "domains";
/** Gets its options of pipeline.yaml and domains.yaml. */
export const OWN_SENDER_STAGE = "own-sender";
/** As well; none when nobody's From is looked at. */
export const OWN_AUTHOR_STAGE = "own-author";

/**
 * What a stage found in its file, in the shape of its schema; undefined after a problem, and for a
 * stage that the file gives nothing to do: it takes no part.
 */
export type StageOptions = (stage: { readonly name: string }) => unknown;

export interface PlanInput<Services> {
  readonly file: PipelineFile;
  readonly source: Source;
  readonly catalog: readonly AnyStage<Services>[];
  readonly optionsOf: StageOptions;
}

/** Places the stages as `pipeline.yaml` says. Complains about what cannot be placed. */
export function compilePlans<Services>(input: PlanInput<Services>): Plans<Services> {
  const [inbound, outbound] = placeBoth(input.file, input.catalog);
  reportPlacements(inbound, input);
  reportPlacements(outbound, input);
  return { inbound: compilePlan(inbound, input), outbound: compilePlan(outbound, input) };
}

/** Names of all stages that each pipeline runs. */
export function placedStages<Services>(
  file: PipelineFile,
  catalog: readonly AnyStage<Services>[],
): { readonly [P in Pipeline]: ReadonlySet<string> } {
  const [inbound, outbound] = placeBoth(file, catalog);
  return { inbound: new Set(namesOf(inbound)), outbound: new Set(namesOf(outbound)) };
}

function placeBoth<Services>(
  file: PipelineFile,
  catalog: readonly AnyStage<Services>[],
): readonly [Placements, Placements] {
  const inbound = placeInbound(file, catalog);
  return [inbound, placeOutbound(file, inbound, catalog)];
}

function compilePlan<Services>(placements: Placements, input: PlanInput<Services>): Plan<Services> {
  const { scores, scl } = input.file;
  const { mode, thresholds } = placements;
  return {
    mode,
    phases: {
      connect: compilePhase("connect", placements, input),
      helo: compilePhase("helo", placements, input),
      mail: compilePhase("mail", placements, input),
      rcpt: compilePhase("rcpt", placements, input),
      data: compilePhase("data", placements, input),
    },
    scoring: { scores: new Map(Object.entries(scores)), thresholds, scl },
  };
}

function compilePhase<P extends Phase, Services>(
  phase: P,
  { phases }: Placements,
  { file, source, catalog, optionsOf }: PlanInput<Services>,
): PhasePlan<P, Services> {
  // Sound: AnyStage is a union by phase, but a filter cannot narrow it by a type parameter.
  const stages = catalog.filter(
    (stage) => stage.phase === phase,
  ) as readonly unknown[] as readonly Stage<P, Services>[];
  const house: House = {
    isOurs: ownership(optionsOf),
    scoreOf: ({ symbol, score }) =>
      (Object.hasOwn(file.scores, symbol) ? file.scores[symbol] : score) ?? score,
  };
  const { budgetMs, steps } = phases[phase];
  const bound = steps.map((step) =>
    step.flatMap((placed): readonly BoundStage<P, Services>[] => {
      const stage = stages.find(({ name }) => name === placed.stage);
      const options = stage && optionsOf(stage);
      if (!stage || options === undefined) return [];
      const one = stage.bind(options, { ...toPlacement(placed), ...house });
      reportEssential(one, placed, source);
      return [one];
    }),
  );
  return { budgetMs, steps: bound.filter((step) => step.length > 0) };
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
  { mode, onFailure, path }: Placed,
  source: Source,
): void {
  if (!bound.essential || path === null) return;
  if (mode === "observe")
    source.complain(
      [...path, "mode"],
      `expected enforce: without \`${bound.name}\` the gateway is an open relay`,
    );
  if (onFailure === "open")
    source.complain(
      [...path, "onFailure"],
      `expected closed or hold: \`${bound.name}\` must not fail open`,
    );
}

function reportPlacements<Services>(
  placements: Placements,
  { file, source, catalog }: PlanInput<Services>,
): void {
  const seen = new Set<string>();
  for (const { name, phase, path } of writtenStages(placements, file)) {
    const fault = placementFault(name, phase, placements, catalog, seen);
    if (fault !== null) source.complain(path, fault);
    seen.add(name);
  }
  const precedesOf = (name: string) => catalog.find((stage) => stage.name === name)?.precedes ?? [];
  reportOrder(writtenStages(placements, file), precedesOf, source);
  const ships = catalog.some(({ name }) => name === DOMAINS_STAGE);
  const isInbound = placements.pipeline === "inbound";
  // What is taken over from the other pipeline was complained about there.
  const isWritten = isInbound || file.outbound.phases.rcpt?.steps !== undefined;
  if (!ships || !isWritten || namesOf(placements).includes(DOMAINS_STAGE)) return;
  const message = `expected stage \`${DOMAINS_STAGE}\`: without it the gateway is an open relay`;
  const path = ["phases", "rcpt", "steps"];
  source.complain(isInbound ? path : ["outbound", ...path], message, "key");
}

interface WrittenStage {
  readonly name: string;
  readonly phase: Phase;
  readonly step: number;
  /** Where the name stands. */
  readonly path: Path;
}

function writtenStages(
  { phases, pipeline }: Placements,
  file: PipelineFile,
): readonly WrittenStage[] {
  const written = pipeline === "inbound" ? file.phases : file.outbound.phases;
  return PHASES.flatMap((phase) =>
    phases[phase].steps.flatMap((step, s) =>
      step.flatMap(({ stage: name, path }, i): readonly WrittenStage[] => {
        if (path === null) return [];
        const isWord = typeof written[phase]?.steps?.[s]?.[i] === "string";
        return [{ name, phase, step: s, path: isWord ? path : [...path, "stage"] }];
      }),
    ),
  );
}

function placementFault<Services>(
  name: string,
  phase: Phase,
  { pipeline }: Placements,
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
  if (stage.concerns === "ours" && pipeline === "inbound")
    return `stage \`${name}\` is about mail of ours: expected it under outbound`;
  return seen.has(name) ? `stage \`${name}\` is placed twice` : null;
}
