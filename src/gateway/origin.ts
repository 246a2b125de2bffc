import type { Message } from "../mail/message.ts";
import { createLookupScope, type LookupScope } from "../net/resolver.ts";
import { type Origin, originOf, TRUSTED_RELAY_STAGE } from "../pipeline/origin.ts";
import type { PhasePlan, Pipeline, Plan } from "../pipeline/plan.ts";
import type { Phase, StageReport } from "../pipeline/report.ts";
import { type PhaseRun, runPhase } from "../pipeline/run-phase.ts";
import type { BoundStage, DataFacts } from "../pipeline/stage.ts";
import type { TrustedRelay } from "../policy/snapshot.ts";
import type { StageServices } from "../stages/catalog.ts";
import type { Snapshot } from "./session-state.ts";

// A trusted relay brings mail of others. Who they are is known when the header has come, so stages
// that judge the client do not run in their phases for it; at the final dot they run with the origin
// in the client's place, before the stages of data. To refuse such mail would make the relay bounce
// it to whoever is in MAIL FROM: what would be refused for what it is is held (see decision.ts).

type Services = StageServices;

const SPF = "spf";
type Runtime = Pick<PhaseRun<Phase, Services>, "services" | "clock" | "signal">;

/** Null: the client is judged himself. Who may relay through us is no stranger's relay. */
export function relayOf(
  { relays }: Pick<Snapshot, "relays">,
  pipeline: Pipeline,
  ip: string,
  at: number,
): TrustedRelay | null {
  return pipeline === "inbound" ? relays.find(ip, at) : null;
}

/** What of a phase runs in its time: without those who judge a client that is not known yet. */
export function ownPart<P extends Phase>(
  phase: PhasePlan<P, Services>,
  relay: TrustedRelay | null,
): PhasePlan<P, Services> {
  const isOwn = ({ name, judges }: BoundStage<P, Services>) =>
    name !== TRUSTED_RELAY_STAGE && (relay === null || judges === null);
  return phase.steps.every((step) => step.every(isOwn)) ? phase : only(phase, isOwn);
}

export interface OriginRun {
  readonly plan: Plan<Services>;
  readonly relay: TrustedRelay;
  readonly facts: DataFacts;
  readonly message: Message;
  readonly dns: LookupScope;
  readonly runtime: Runtime;
}

export interface JudgedOrigin {
  /** Of the stage that finds the origin, and of those that judged it. */
  readonly reports: readonly StageReport[];
  /** What the stages of data are to believe: with the origin in the client's place. */
  readonly facts: DataFacts;
}

/** Finds the origin and judges it. Where nobody can tell it, nobody is judged, and the stage says so. */
export async function judgeOrigin(run: OriginRun): Promise<JudgedOrigin> {
  const { plan, message, dns, runtime } = run;
  const isFinder = ({ name }: { readonly name: string }) => name === TRUSTED_RELAY_STAGE;
  const found = await runPhase({
    phase: only(plan.phases.data, isFinder),
    view: { ...run.facts, message, dns },
    ...runtime,
  });
  const facts = withReports(run.facts, found);
  const origin = originOf(found);
  if (!origin) return { reports: found, facts };
  const judged = await judgePhases(run, withOrigin(facts, origin));
  return { reports: judged.reports.slice(run.facts.reports.length), facts: judged };
}

async function judgePhases(run: OriginRun, start: DataFacts) {
  const { plan, dns, runtime } = run;
  const { phases } = plan;
  // As the session of one who comes himself has: many lists must leave enough for SPF and DMARC.
  const session = createLookupScope(runtime.signal);
  const judgesIt = ({ judges }: Pick<BoundStage<Phase, Services>, "judges">) => judges === "origin";
  let facts = start;
  const connect = {
    phase: only(phases.connect, judgesIt),
    view: { ...facts, dns: session },
    ...runtime,
  };
  facts = withReports(facts, await runPhase(connect));
  // A HELO that no server on the way tells is not known to be wrong.
  const isHelo = (stage: BoundStage<"helo", Services>) => facts.helo.name !== "" && judgesIt(stage);
  const helo = { phase: only(phases.helo, isHelo), view: { ...facts, dns: session }, ...runtime };
  facts = withReports(facts, await runPhase(helo));
  // Who writes an own sender into MAIL FROM answers for it himself.
  const isOfRelay = ({ name }: { readonly name: string }) =>
    run.relay.rewritesSender && name === SPF;
  const { client, helo: said, tls } = run.facts;
  const relayed = { ...facts, client, helo: said, tls };
  const ofRelay = { phase: only(phases.mail, isOfRelay), view: { ...relayed, dns }, ...runtime };
  facts = withReports(facts, await runPhase(ofRelay));
  const isOfOrigin = (stage: BoundStage<"mail", Services>) => judgesIt(stage) && !isOfRelay(stage);
  const mail = { phase: only(phases.mail, isOfOrigin), view: { ...facts, dns }, ...runtime };
  return withReports(facts, await runPhase(mail));
}

function withOrigin(facts: DataFacts, { ip, helo }: Origin): DataFacts {
  return {
    ...facts,
    client: { ip, port: 0 },
    helo: { verb: "EHLO", name: helo ?? "" },
    tls: null,
  };
}

function withReports(facts: DataFacts, reports: readonly StageReport[]): DataFacts {
  return { ...facts, reports: [...facts.reports, ...reports] };
}

function only<P extends Phase>(
  { budgetMs, steps }: PhasePlan<P, Services>,
  keeps: (stage: BoundStage<P, Services>) => boolean,
): PhasePlan<P, Services> {
  const kept = steps.map((step) => step.filter(keeps)).filter((step) => step.length > 0);
  return { budgetMs, steps: kept };
}
