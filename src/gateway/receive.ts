/**
 * From connection to promise: one function per phase, in order. Its promises:
 *
 * 1. 250 only after the hub's 250, `spool.add` or `quarantine.hold` has resolved; if all fail the
 *    answer is 4xx.
 * 2. A transaction sees one policy snapshot and one pipeline of it from MAIL to the final reply;
 *    connect and helo evidence is judged again under it.
 * 3. A transaction is an object; RSET, EHLO, STARTTLS and the end of data drop it.
 * 4. Reports of connect and helo belong to the session, of mail to the transaction, of rcpt to that
 *    recipient, of data to the message; a recipient's decision folds all of them.
 * 5. Recipients may disagree although SMTP allows one reply after DATA: see fold.ts.
 * 6. A decision taken before RCPT is spoken at RCPT, so that the log shows sender and recipient.
 * 7. The bytes scanned are the bytes relayed: only documented headers are added.
 */
import { randomBytes } from "node:crypto";
import type { Address } from "../mail/address.ts";
import type { EnvelopeRecipient, MailParameters } from "../mail/envelope.ts";
import { type Decision, isTrusted } from "../pipeline/decision.ts";
import { type Pipeline, pipelineOf } from "../pipeline/plan.ts";
import { reportsByStage } from "../pipeline/report.ts";
import { runPhase } from "../pipeline/run-phase.ts";
import { limitsFor } from "../policy/listener-limits.ts";
import type { Reply } from "../smtp/reply.ts";
import type {
  ClientFacts,
  ConnectionHandler,
  HeloFacts,
  SessionHandler,
  TransactionHandler,
} from "../smtp/session-handler.ts";
import { greetDelaySeconds } from "../stages/pregreet.ts";
import { domainFault } from "./domain-fault.ts";
import { asSpoken } from "./edited-envelope.ts";
import { ruleRecipient } from "./fold.ts";
import { ownPart, relayOf } from "./origin.ts";
import { createDataSink } from "./receive-data.ts";
import type { ReceiveDeps } from "./receive-deps.ts";
import { endingWithoutData, toRecord } from "./record.ts";
import { diskFault, isStranger, refuseBusy } from "./refuse-busy.ts";
import { replyFor } from "./replies.ts";
import {
  connectFacts,
  createQueryBudget,
  heloFacts,
  mailFacts,
  type Recipient,
  type Session,
  type Snapshot,
  type Transaction,
} from "./session-state.ts";

export function createReceiver(deps: ReceiveDeps): ConnectionHandler {
  return { connect: (client, signal) => onConnect(deps, client, signal) };
}

async function onConnect(
  deps: ReceiveDeps,
  client: ClientFacts,
  signal: AbortSignal,
): Promise<SessionHandler> {
  const session: Session = {
    id: deps.ids.session(),
    client,
    receivedAt: deps.clock.now(),
    seed: randomBytes(8).toString("hex"),
    snapshot: deps.policy.current(),
    // Who comes to a hub listener will show why he may relay; if not, it is judged again at MAIL.
    pipeline: client.listener.kind === "hub" ? "outbound" : "inbound",
    user: null,
    helo: null,
    connectReports: [],
    heloReports: [],
    queries: createQueryBudget(),
  };
  await judgeConnect(deps, session, signal);
  return {
    isTrusted: isTrusted(session.connectReports) || relayFor(session) !== null,
    greetDelaySeconds: greetDelaySeconds(session.connectReports),
    helo: (helo, signal) => onHelo(deps, session, helo, signal),
    mail: (sender, mail, signal) => onMail(deps, session, sender, mail, signal),
    loggedOn: (user) => {
      session.user = user;
    },
    offers: () => {
      const hub = deps.relay.offers();
      const limits = limitsFor(deps.policy.current().limits, client.listener.name);
      const { maxBytes } = limits.message;
      // Where a hub lacks DSN we tell the sender ourselves (RFC 3461 5.2.2).
      return { ...hub, dsn: true, maxBytes: Math.min(maxBytes, hub.maxBytes ?? maxBytes) };
    },
    closed: (reason) => deps.log.debug("session-closed", { session: session.id, reason }),
  };
}

async function judgeConnect(
  deps: ReceiveDeps,
  session: Session,
  signal: AbortSignal,
): Promise<void> {
  session.connectReports = await runPhase({
    phase: ownPart(planOf(session).phases.connect, relayFor(session)),
    view: { ...connectFacts(session), dns: session.queries.under(signal) },
    known: reportsByStage(session.connectReports),
    ...runtime(deps, signal),
  });
}

async function onHelo(
  deps: ReceiveDeps,
  session: Session,
  helo: HeloFacts,
  signal: AbortSignal,
): Promise<null> {
  session.helo = helo;
  session.heloReports = [];
  await judgeHelo(deps, session, helo, signal);
  return null;
}

async function judgeHelo(
  deps: ReceiveDeps,
  session: Session,
  helo: HeloFacts,
  signal: AbortSignal,
): Promise<void> {
  session.heloReports = await runPhase({
    phase: ownPart(planOf(session).phases.helo, relayFor(session)),
    view: { ...heloFacts(session, helo), dns: session.queries.under(signal) },
    known: reportsByStage(session.heloReports),
    ...runtime(deps, signal),
  });
}

async function onMail(
  deps: ReceiveDeps,
  session: Session,
  sender: Address | null,
  mail: MailParameters,
  signal: AbortSignal,
): Promise<TransactionHandler | Reply> {
  const { helo } = session;
  if (!helo) throw new Error("MAIL before HELO passed the protocol");
  const pipeline = pipelineOf(heloFacts(session, helo).relay);
  await adoptRules(deps, session, deps.policy.current(), pipeline, signal);
  const { snapshot } = session;
  const plan = snapshot.plans[pipeline];
  const queries = createQueryBudget();
  const facts = mailFacts(session, helo, sender, mail);
  const begun = {
    id: deps.ids.transaction(),
    session,
    snapshot,
    pipeline,
    plan,
    startedAt: deps.clock.now(),
    sender,
    mail,
    facts,
    recipients: [],
    refused: [],
    queries,
    relay: relayFor(session),
  };
  if (deps.pressure.refusesMail(isStranger(session, facts))) return refuseBusy(deps, begun);
  const reports = await runPhase({
    phase: ownPart(plan.phases.mail, begun.relay),
    view: { ...facts, dns: queries.under(signal) },
    ...runtime(deps, signal),
  });
  const transaction: Transaction = {
    ...begun,
    facts: { ...facts, reports: [...facts.reports, ...reports] },
  };
  return {
    accepted: { code: 250, status: "1.0", text: "Sender ok" },
    rcpt: (recipient, signal) => onRcpt(deps, transaction, recipient, signal),
    data: async (signal) => createDataSink(deps, transaction, signal),
    drop: () => onDrop(deps, transaction),
  };
}

function relayFor({ snapshot, pipeline, client, receivedAt }: Session) {
  return relayOf(snapshot, pipeline, client.ip, receivedAt);
}

function planOf({ snapshot, pipeline }: Session): Snapshot["plans"][Pipeline] {
  return snapshot.plans[pipeline];
}

/** Promise 2: evidence gathered under other rules is judged again, not gathered again. */
async function adoptRules(
  deps: ReceiveDeps,
  session: Session,
  snapshot: Snapshot,
  pipeline: Pipeline,
  signal: AbortSignal,
): Promise<void> {
  const isSame = session.snapshot.version === snapshot.version && session.pipeline === pipeline;
  if (isSame || !session.helo) return;
  session.snapshot = snapshot;
  session.pipeline = pipeline;
  await judgeConnect(deps, session, signal);
  await judgeHelo(deps, session, session.helo, signal);
}

async function onRcpt(
  deps: ReceiveDeps,
  transaction: Transaction,
  envelope: EnvelopeRecipient,
  signal: AbortSignal,
): Promise<Reply> {
  const { snapshot, plan, facts, queries, relay } = transaction;
  const { address } = envelope;
  const reports = await runPhase({
    phase: ownPart(plan.phases.rcpt, relay),
    view: { ...facts, recipient: address, dns: queries.under(signal) },
    recipient: address.spoken,
    ...runtime(deps, signal),
  });
  const domain = snapshot.domains.find(address.domain);
  const soFar = [...facts.reports, ...reports];
  const decision = ruleRecipient(plan, address, domain, soFar, relay !== null);
  const { action, cause, stage, score, scl } = decision;
  if ((action === "reject" || action === "defer") && cause) {
    const about = aboutAsSpoken(decision, address);
    const reply = replyFor(cause, about, transaction.id, snapshot.replies);
    transaction.refused.push({ envelope, reports, action, cause, stage, score, scl, reply });
    return reply;
  }
  return acceptRecipient(deps, transaction, { envelope, domain, reports });
}

function aboutAsSpoken({ about, edits }: Decision, address: Address): Decision["about"] {
  const words = Object.entries(about);
  return Object.fromEntries(words.map(([key, text]) => [key, asSpoken(text, address, edits)]));
}

function acceptRecipient(
  deps: ReceiveDeps,
  transaction: Transaction,
  { envelope, domain, reports }: Omit<Recipient, "reply">,
): Reply {
  const fault = domainFault(transaction, domain) ?? diskFault(deps, transaction, domain);
  if (fault) {
    const reply = replyFor(fault.cause, {}, transaction.id, transaction.snapshot.replies);
    const ending = { ...fault, stage: null, score: 0, scl: 0, reply };
    transaction.refused.push({ envelope, reports, ...ending });
    return reply;
  }
  const reply: Reply = { code: 250, status: "1.5", text: "Recipient ok" };
  transaction.recipients.push({ envelope, domain, reports, reply });
  return reply;
}

function onDrop(deps: ReceiveDeps, transaction: Transaction): void {
  const at = deps.clock.now();
  const record = toRecord(transaction, null, [], endingWithoutData(transaction), at);
  deps.facts.emit({ kind: "decided", at, record });
}

function runtime(deps: ReceiveDeps, signal: AbortSignal) {
  return { services: deps.services, clock: deps.clock, signal };
}
