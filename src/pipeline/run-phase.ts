import { abandonOn, type Clock, startDeadline } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import type { Json } from "../base/json.ts";
import { isTrustedFor } from "./decision.ts";
import type { PhasePlan } from "./plan.ts";
import type { FailureMode, Phase, StageReport } from "./report.ts";
import type { BoundStage, Facts, Views } from "./stage.ts";
import type { Verdict } from "./verdict.ts";

export interface PhaseRun<P extends Phase, Services> {
  readonly phase: PhasePlan<P, Services>;
  readonly view: Views[P];
  readonly services: Services;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Evidence of stages that ran under another snapshot: judged again, not gathered again. */
  readonly known?: ReadonlyMap<string, StageReport>;
  /** Where the evidence of a stage with a tap comes from. */
  readonly tapped?: (stage: BoundStage<P, Services>, signal: AbortSignal) => Promise<Json>;
  /** Set in the rcpt phase: stands in each report. */
  readonly recipient?: string;
}

/**
 * Runs the steps of a phase in order and returns one report a stage, in plan order. Stages of one
 * step start together and are all awaited, so the answer does not depend on who is faster. A
 * refusal that nobody is exempt from ends the phase before the next step, unless an essential stage
 * is still to come. Never throws: a throw and a time-out both become the stage's failure mode.
 */
export async function runPhase<P extends Phase, Services>(
  run: PhaseRun<P, Services>,
): Promise<readonly StageReport[]> {
  if (run.phase.steps.length === 0) return [];
  const endsAt = run.clock.monotonic() + run.phase.budgetMs;
  const reports: StageReport[] = [];
  for (const [index, step] of run.phase.steps.entries()) {
    const before = [...run.view.reports, ...reports];
    const view = { ...run.view, reports: before };
    reports.push(...(await Promise.all(step.map((stage) => runStage(run, stage, view, endsAt)))));
    if (!reports.some(isFinal)) continue;
    const left = run.phase.steps.slice(index + 1).flat();
    if (!left.some(({ essential }) => essential)) break;
  }
  return reports;
}

/**
 * Whom a spam stage refuses may yet be trusted or exempt, and in monitor mode only essential stages
 * refuse: what did not run for such mail would read as clean.
 */
function isFinal({ mode, trustable, verdict: { kind } }: StageReport): boolean {
  return mode === "enforce" && !trustable && (kind === "reject" || kind === "defer");
}

async function runStage<P extends Phase, Services>(
  run: PhaseRun<P, Services>,
  stage: BoundStage<P, Services>,
  view: Views[P],
  phaseEndsAt: number,
): Promise<StageReport> {
  if (stage.trustable && isTrustedFor(stage.name, view.reports)) return skippedReport(run, stage);
  const started = run.clock.monotonic();
  const limitMs = Math.max(0, Math.min(stage.timeoutMs, phaseEndsAt - started));
  const deadline = startDeadline(run.clock, limitMs, run.signal);
  const took = () => Math.round((run.clock.monotonic() - started) * 10) / 10;
  try {
    const evidence = await abandonOn(deadline.signal, gather(run, stage, view, deadline.signal));
    const verdict = stage.judge(evidence, toFacts(view));
    return { ...stamp(run, stage), outcome: "judged", ms: took(), evidence, verdict };
  } catch (error) {
    const late = deadline.expired();
    return {
      ...stamp(run, stage),
      outcome: late ? "timeout" : "failed",
      ms: took(),
      evidence: null,
      verdict: toFailureVerdict(stage.name, stage.onFailure),
      error: errorText(error),
    };
  } finally {
    deadline.clear();
  }
}

async function gather<P extends Phase, Services>(
  run: PhaseRun<P, Services>,
  stage: BoundStage<P, Services>,
  view: Views[P],
  signal: AbortSignal,
): Promise<Json> {
  const known = run.known?.get(stage.name);
  if (known?.outcome === "judged" && isEnough(stage, known.evidence, view)) return known.evidence;
  if (stage.observe) return stage.observe(view, run.services, signal);
  if (stage.tap && run.tapped) return run.tapped(stage, signal);
  throw new Error(`stage ${stage.name} has no way to gather evidence here`);
}

/** A new policy may ask for what nobody looked at under the old one: a list more, for instance. */
function isEnough<P extends Phase, Services>(
  stage: BoundStage<P, Services>,
  evidence: Json,
  view: Views[P],
): boolean {
  return stage.judge(evidence, toFacts(view)).kind !== "unknown";
}

function stamp<P extends Phase, Services>(
  run: PhaseRun<P, Services>,
  stage: BoundStage<P, Services>,
): Pick<StageReport, "stage" | "phase" | "mode" | "trustable" | "essential" | "canTrust"> {
  const { name, phase, mode, trustable, essential, canTrust } = stage;
  const recipient = run.recipient === undefined ? {} : { recipient: run.recipient };
  return { stage: name, phase, ...recipient, mode, trustable, essential, canTrust };
}

function skippedReport<P extends Phase, Services>(
  run: PhaseRun<P, Services>,
  stage: BoundStage<P, Services>,
): StageReport {
  const verdict: Verdict = { kind: "neutral", findings: [] };
  return { ...stamp(run, stage), outcome: "skipped", ms: 0, evidence: null, verdict };
}

/** `open` passes the mail, `closed` answers 451, `hold` puts it into quarantine. */
export function toFailureVerdict(stage: string, mode: FailureMode): Verdict {
  const symbol = `${stage.toUpperCase().replaceAll("-", "_")}_UNAVAILABLE`;
  const findings = [{ symbol, score: 0 }];
  if (mode === "open") return { kind: "neutral", findings };
  const kind = mode === "closed" ? "defer" : "quarantine";
  return { kind, cause: "check-unavailable", findings };
}

/** A view without its reach into the world: what a judge may see. */
export function toFacts<P extends Phase>(view: Views[P]): Facts[P] {
  const { dns: _dns, message: _message, ...facts } = view as Views["data"];
  return facts as unknown as Facts[P];
}
