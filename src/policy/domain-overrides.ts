import type { Plan } from "../pipeline/plan.ts";
import { PHASES } from "../pipeline/report.ts";
import type { CompiledDomains } from "./domains.ts";
import type { Limits } from "./limits.ts";
import { limitsFor } from "./listener-limits.ts";
import { hint } from "./nearest.ts";
import type { Source } from "./source.ts";

export interface OverridesInput<Services> extends CompiledDomains {
  readonly plan: Plan<Services>;
  readonly limits: Limits;
  /** domains.yaml. */
  readonly source: Source | null;
}

/** What a domain has instead of the general rules must be something that it may change. */
export function checkOverrides<Services>(input: OverridesInput<Services>): void {
  const { domains, keys, source, limits } = input;
  const most = mostOf(limits);
  const stages = stagesOf(input.plan);
  for (const { name, skip, limits: own } of domains.all) {
    const path = ["domains", keys.get(name) ?? name];
    for (const part of ["maxBytes", "recipients"] as const)
      if ((own?.[part] ?? 0) > most[part])
        source?.complain(
          [...path, "limits", part],
          `expected at most ${most[part]}, which limits.yaml lets in, got ${own?.[part]}`,
        );
    for (const [index, stage] of (skip ?? []).entries()) {
      const fault = skipFault(stage, stages);
      if (fault !== null) source?.complain([...path, "skip", index], fault);
    }
  }
}

/** Of all listeners. */
function mostOf(limits: Limits): { readonly maxBytes: number; readonly recipients: number } {
  const all = [limits, ...Object.keys(limits.listeners).map((name) => limitsFor(limits, name))];
  return {
    maxBytes: Math.max(...all.map(({ message }) => message.maxBytes)),
    recipients: Math.max(...all.map(({ session }) => session.recipients)),
  };
}

/** Whether each stage of the pipeline is a spam stage. */
function stagesOf<Services>({ phases }: Plan<Services>): ReadonlyMap<string, boolean> {
  const stages = PHASES.flatMap((phase) => phases[phase].steps.flat());
  return new Map(stages.map(({ name, trustable }) => [name, trustable]));
}

/** Malware, attachments and other people's domains are nobody's matter of taste. */
function skipFault(name: string, stages: ReadonlyMap<string, boolean>): string | null {
  const isSpamStage = stages.get(name);
  if (isSpamStage === true) return null;
  if (isSpamStage === false) return `expected a spam stage: \`${name}\` holds for everybody`;
  return `no stage \`${name}\` in pipeline.yaml${hint(name, [...stages.keys()])}`;
}
