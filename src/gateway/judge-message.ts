import { passesFor, senderIdentities } from "../auth/sender-identities.ts";
import { errorText } from "../base/errors.ts";
import { isWithin } from "../mail/domain-name.ts";
import type { Message } from "../mail/message.ts";
import type { StageReport } from "../pipeline/report.ts";
import { runPhase, toFacts } from "../pipeline/run-phase.ts";
import type { TapSet } from "../pipeline/tap-set.ts";
import type { StageServices } from "../stages/catalog.ts";
import { type CarriedOut, carryOut } from "./carry-out.ts";
import { asSpoken } from "./edited-envelope.ts";
import { foldRecipients, type Ruled, ruleRecipient } from "./fold.ts";
import type { LegContext } from "./legs.ts";
import { createMessageSigning } from "./message-signing.ts";
import { judgeOrigin, ownPart } from "./origin.ts";
import type { ReceiveDeps } from "./receive-deps.ts";
import { DROPPED, type Ending } from "./record.ts";
import { acceptedReply, passOn, replyFor } from "./replies.ts";
import { dataFacts, type Transaction } from "./session-state.ts";

export interface Judged {
  readonly reports: readonly StageReport[];
  readonly ending: Ending;
  /** Resolves when nobody reads the message any more. */
  readonly released: Promise<unknown>;
}

/** The final dot: stages judge, recipients are folded, the decision is carried out. */
export async function judgeMessage(
  deps: ReceiveDeps,
  transaction: Transaction,
  message: Message,
  taps: TapSet<StageServices>,
  signal: AbortSignal,
): Promise<Judged> {
  const { snapshot, plan, facts, queries, relay } = transaction;
  const runtime = { services: deps.services, clock: deps.clock, signal };
  const dns = queries.under(signal);
  const start = dataFacts(transaction);
  const origin =
    relay === null
      ? { facts: start, reports: [] }
      : await judgeOrigin({ plan, relay, facts: start, message, dns, runtime });
  const view = { ...origin.facts, message, dns };
  const ofData = await runPhase({
    phase: ownPart(plan.phases.data, relay),
    view,
    tapped: (stage, limit) => taps.evidence(stage, message, limit),
    ...runtime,
  });
  const reports = [...origin.reports, ...ofData];
  const ruled = transaction.recipients.map(({ envelope, domain, reports: own }): Ruled => {
    const all = [...facts.reports, ...own, ...reports];
    const decision = ruleRecipient(plan, envelope.address, domain, all, relay !== null);
    return { recipient: envelope, domain, decision };
  });
  const folded = foldRecipients(ruled);
  if (folded.kind === "refuse") {
    const { cause, about, action, stage, score, scl } = folded.decision;
    const reply = replyFor(cause ?? "internal-error", about, transaction.id, snapshot.replies);
    const ending = { action, cause, stage, score, scl, reply, via: null };
    return { reports, ending, released: Promise.resolve() };
  }
  // The client left after its final dot: it will send again, so nothing is kept of this one.
  if (signal.aborted) return { reports, ending: DROPPED, released: Promise.resolve() };
  const context = toLegContext(deps, transaction, message, reports);
  const outcome = await carryOut(deps, context, folded.relay, folded.hold);
  await commitStages(deps, transaction, reports, ruled, view);
  const ending = { ...toEnding(transaction, ruled, outcome), signing: context.signing.records() };
  return { reports, ending, released: outcome.released };
}

function toLegContext(
  deps: ReceiveDeps,
  transaction: Transaction,
  message: Message,
  dataReports: readonly StageReport[],
): LegContext {
  const { facts, recipients, snapshot, id, sender } = transaction;
  const { authservIds } = deps;
  const reports = [...facts.reports, ...dataReports];
  const [only, ...others] = recipients;
  const onlyRecipient = only && others.length === 0 ? only.envelope.address : null;
  const passes = passesFor(
    senderIdentities(reports),
    (domain) => sender !== null && isWithin(sender.domain, domain),
  );
  // Whoever relays through us is our own hub: it knows its users, and a bounce goes to one of them.
  const isOurs = facts.relay !== null && sender !== null && snapshot.domains.find(sender.domain);
  return {
    transaction,
    message,
    stamp: { id, facts, reports, onlyRecipient, authservIds, snapshot, at: deps.clock.now() },
    senderAuthenticated: sender !== null && (passes || Boolean(isOurs)),
    signing: createMessageSigning(deps.signer),
  };
}

function toEnding(transaction: Transaction, ruled: readonly Ruled[], outcome: CarriedOut): Ending {
  const { id, snapshot } = transaction;
  const worst = ruled.find(({ decision }) => decision.action !== "relay") ?? ruled[0];
  const score = Math.max(...ruled.map(({ decision }) => decision.score));
  const scl = Math.max(...ruled.map(({ decision }) => decision.scl));
  const base = { stage: worst?.decision.stage ?? null, score, scl };
  if (outcome.kind === "passed-on") {
    const text = ruled.reduce(
      (said, { recipient, decision }) => asSpoken(said, recipient.address, decision.edits),
      outcome.reply.text,
    );
    const reply = passOn({ ...outcome.reply, text }, id, snapshot.replies);
    const refused = reply.code >= 500;
    const cause = refused ? "hub-refused" : "hub-deferred";
    return { ...base, action: refused ? "reject" : "defer", cause, reply, via: null };
  }
  if (outcome.kind === "not-kept") {
    const reply = replyFor(outcome.cause, {}, id, snapshot.replies);
    return { ...base, action: "defer", cause: outcome.cause, reply, via: null };
  }
  const action = ruled.some(({ decision }) => decision.action === "relay") ? "relay" : "quarantine";
  const cause = worst?.decision.cause ?? null;
  const recipients = new Map(
    ruled.map(({ recipient, decision }) => [
      recipient.address.spoken,
      { action: decision.action, cause: decision.cause },
    ]),
  );
  return { ...base, action, cause, reply: acceptedReply(id), via: outcome.via, recipients };
}

/** Side effects that depend on the outcome. They cannot change it: what they throw is logged. */
async function commitStages(
  deps: ReceiveDeps,
  transaction: Transaction,
  reports: readonly StageReport[],
  ruled: readonly Ruled[],
  view: Parameters<typeof toFacts<"data">>[0],
): Promise<void> {
  const decision = ruled[0]?.decision;
  const stages = transaction.plan.phases.data.steps.flat();
  if (!decision || stages.length === 0) return;
  const facts = toFacts<"data">(view);
  for (const stage of stages) {
    const report = reports.find((one) => one.stage === stage.name);
    if (report?.outcome !== "judged") continue;
    await stage.commit(decision, report.evidence, deps.services, facts).catch((error: unknown) => {
      deps.log.error("commit-failed", {
        id: transaction.id,
        stage: stage.name,
        error: errorText(error),
      });
    });
  }
}
