import type { Address } from "../mail/address.ts";
import type { Message } from "../mail/message.ts";
import type { LookupScope } from "../net/resolver.ts";
import type { Cause } from "../pipeline/cause.ts";
import type { Action } from "../pipeline/decision.ts";
import type { SigningRecord } from "../pipeline/facts.ts";
import type { Plan } from "../pipeline/plan.ts";
import type { Phase, StageReport } from "../pipeline/report.ts";
import { runPhase } from "../pipeline/run-phase.ts";
import type {
  BoundStage,
  ConnectFacts,
  DataFacts,
  HeloPhaseFacts,
  MailFacts,
} from "../pipeline/stage.ts";
import { openTaps } from "../pipeline/tap-set.ts";
import type { TrustedRelay } from "../policy/snapshot.ts";
import type { RelayPermission } from "../smtp/relay-permission.ts";
import { formatReply } from "../smtp/reply.ts";
import type { StageServices } from "../stages/catalog.ts";
import { foldRecipients, type Ruled, ruleRecipient } from "./fold.ts";
import { type JudgeSigningDeps, judgeSigning } from "./judge-signing.ts";
import { judgeOrigin, ownPart, relayOf } from "./origin.ts";
import { acceptedReply, replyFor } from "./replies.ts";
import { createQueryBudget } from "./session-state.ts";

export interface JudgeDeps extends JudgeSigningDeps {
  readonly services: StageServices;
}

/** A message and the session it is imagined to come in. */
export interface JudgeRequest {
  readonly message: Message;
  readonly hostname: string;
  readonly ip: string;
  readonly helo: string;
  readonly sender: Address | null;
  readonly recipients: readonly Address[];
  /** As mail of somebody who may relay. Default: of a stranger. */
  readonly outbound?: boolean;
  /** Who logged on; without a name its address permits it. */
  readonly user?: string | undefined;
}

/** What the gateway would do. Plain JSON, the shape of behaviour.md section 2. */
export interface JudgeAnswer {
  readonly action: Action;
  readonly cause: Cause | null;
  readonly score: number;
  readonly scl: number;
  /** The line the client would be told last. */
  readonly reply: string;
  readonly stages: readonly JudgedStage[];
  /** What would become of our signature or seal; empty: none was thought of, or it is not taken. */
  readonly signing: readonly SigningRecord[];
}

export type JudgedStage = Pick<StageReport, "stage" | "outcome" | "ms" | "evidence" | "error"> & {
  readonly phase: Phase;
  readonly recipient?: string;
  readonly verdict: string;
  readonly findings: StageReport["verdict"]["findings"];
};

/** Runs every phase with real DNS and scanner and changes nothing: no commit, no spool, no hub. */
export async function judgeFile(deps: JudgeDeps, request: JudgeRequest): Promise<JudgeAnswer> {
  const { signal } = new AbortController();
  const runtime = { services: deps.services, clock: deps.clock, signal };
  const plan = deps.snapshot.plans[request.outbound ? "outbound" : "inbound"];
  const pipeline = request.outbound ? "outbound" : "inbound";
  const relay = relayOf(deps.snapshot, pipeline, request.ip, deps.clock.now());
  const dns = createQueryBudget().under(signal);
  const run: Run = { ...deps, ...runtime, plan, runtime, dns, relay };
  const session = await judgeSession(run, request);
  const ruled = await judgeRecipients(run, session, request.recipients);
  const soFar = [...session.reports, ...ruled.flatMap(({ own }) => own)];
  const taken = ruled.filter(
    ({ decision: { action } }) => action !== "reject" && action !== "defer",
  );
  if (taken.length === 0) return answer(deps, ruled, soFar);
  const recipients = taken.map(({ recipient }) => recipient.address);
  const data = await judgeData(run, { ...session, recipients }, request.message);
  const final = taken.map(({ recipient, reports, own }) =>
    ruleSoFar(run, recipient.address, [...reports, ...data], own),
  );
  const told = answer(deps, final, [...soFar, ...data]);
  if (told.action === "reject" || told.action === "defer") return told;
  const reports = [...session.reports, ...data];
  const decisions = final.map(({ decision }) => decision);
  const mail = { message: request.message, facts: session, reports, decisions };
  return { ...told, signing: await judgeSigning(deps, mail) };
}

interface Run extends JudgeDeps {
  readonly plan: Plan<StageServices>;
  readonly signal: AbortSignal;
  readonly dns: LookupScope;
  readonly relay: TrustedRelay | null;
  readonly runtime: Pick<JudgeDeps, "services" | "clock"> & { readonly signal: AbortSignal };
}

async function judgeSession(run: Run, request: JudgeRequest): Promise<MailFacts> {
  const { dns, runtime } = run;
  const phases = {
    connect: ownPart(run.plan.phases.connect, run.relay),
    helo: ownPart(run.plan.phases.helo, run.relay),
    mail: ownPart(run.plan.phases.mail, run.relay),
  };
  const start = toConnectFacts(run, request);
  const connect = await runPhase({ phase: phases.connect, view: { ...start, dns }, ...runtime });
  const greeted = toHeloFacts(start, request, connect);
  const helo = await runPhase({ phase: phases.helo, view: { ...greeted, dns }, ...runtime });
  const spoken = toMailFacts(greeted, request, helo);
  const mail = await runPhase({ phase: phases.mail, view: { ...spoken, dns }, ...runtime });
  return { ...spoken, reports: [...spoken.reports, ...mail] };
}

async function judgeRecipients(
  run: Run,
  session: MailFacts,
  recipients: readonly Address[],
): Promise<readonly RuledSoFar[]> {
  const { plan, dns, runtime } = run;
  const phase = ownPart(plan.phases.rcpt, run.relay);
  const ruled: RuledSoFar[] = [];
  for (const recipient of recipients) {
    const view = { ...session, recipient, dns };
    const own = await runPhase({ phase, view, recipient: recipient.spoken, ...runtime });
    ruled.push(ruleSoFar(run, recipient, [...session.reports, ...own], own));
  }
  return ruled;
}

async function judgeData(
  { plan, services, clock, signal, dns, runtime, relay }: Run,
  start: DataFacts,
  message: Message,
): Promise<readonly StageReport[]> {
  const phase = ownPart(plan.phases.data, relay);
  const origin =
    relay === null
      ? { facts: start, reports: [] }
      : await judgeOrigin({ plan, relay, facts: start, message, dns, runtime });
  const { facts } = origin;
  const view = { ...facts, dns, message };
  const taps = openTaps(phase, (stage) => stage.tap?.(view, services, signal) ?? null, clock);
  for await (const chunk of message.read()) await taps.write(chunk);
  const tapped = (stage: BoundStage<"data", StageServices>, limit: AbortSignal) =>
    taps.evidence(stage, message, limit);
  return [...origin.reports, ...(await runPhase({ phase, view, tapped, ...runtime }))];
}

interface RuledSoFar extends Ruled {
  readonly reports: readonly StageReport[];
  readonly own: readonly StageReport[];
}

function ruleSoFar(
  { snapshot, plan, relay }: Pick<Run, "snapshot" | "plan" | "relay">,
  address: Address,
  reports: readonly StageReport[],
  own: readonly StageReport[],
): RuledSoFar {
  const domain = snapshot.domains.find(address.domain);
  const decision = ruleRecipient(plan, address, domain, reports, relay !== null);
  return { recipient: { address }, domain, decision, reports, own };
}

function answer(
  { snapshot, ids }: JudgeDeps,
  ruled: readonly Ruled[],
  reports: readonly StageReport[],
): JudgeAnswer {
  const folded = foldRecipients(ruled);
  const id = ids.transaction();
  const stages = reports.map(toJudgedStage);
  if (folded.kind === "refuse") {
    const { action, cause, about, score, scl } = folded.decision;
    const reply = replyFor(cause ?? "internal-error", about, id, snapshot.replies);
    return { action, cause, score, scl, reply: formatReply(reply), stages, signing: [] };
  }
  const decision = (folded.hold[0] ?? folded.relay[0])?.decision;
  const action = folded.relay.length > 0 ? "relay" : "quarantine";
  const { cause = null, score = 0, scl = 0 } = decision ?? {};
  return { action, cause, score, scl, reply: formatReply(acceptedReply(id)), stages, signing: [] };
}

function toJudgedStage(report: StageReport): JudgedStage {
  const { stage, phase, recipient, outcome, ms, verdict, evidence, error } = report;
  return {
    stage,
    phase,
    ...(recipient !== undefined && { recipient }),
    outcome,
    ms,
    verdict: verdict.kind,
    findings: verdict.findings,
    evidence,
    ...(error !== undefined && { error }),
  };
}

function toConnectFacts({ clock }: JudgeDeps, request: JudgeRequest): ConnectFacts {
  const { ip, hostname, outbound } = request;
  const listener = { name: "judge", kind: outbound ? "hub" : "internet", hostname } as const;
  return { client: { ip, port: 0 }, listener, receivedAt: clock.now(), seed: "judge", reports: [] };
}

function toHeloFacts(
  facts: ConnectFacts,
  { helo, ip, outbound, user }: JudgeRequest,
  reports: readonly StageReport[],
): HeloPhaseFacts {
  const permission: RelayPermission =
    user === undefined ? { by: "network", network: ip } : { by: "password", user };
  const relay = outbound ? permission : null;
  return { ...facts, helo: { verb: "EHLO", name: helo }, tls: null, relay, reports };
}

function toMailFacts(
  facts: HeloPhaseFacts,
  { sender, message }: JudgeRequest,
  reports: readonly StageReport[],
): MailFacts {
  const body = message.has8bitBody ? "8bitmime" : "7bit";
  const mail = { body, smtputf8: message.has8bitHeader, size: message.size } as const;
  return { ...facts, sender, mail, reports: [...facts.reports, ...reports] };
}
