import type { SessionId, TransactionId } from "../base/ids.ts";
import type { Address } from "../mail/address.ts";
import type { EnvelopeRecipient, MailParameters } from "../mail/envelope.ts";
import { createLookupScope, type LookupScope, withSignal } from "../net/resolver.ts";
import type { Cause } from "../pipeline/cause.ts";
import type { Pipeline, Plan } from "../pipeline/plan.ts";
import type { StageReport } from "../pipeline/report.ts";
import type { ConnectFacts, DataFacts, HeloPhaseFacts, MailFacts } from "../pipeline/stage.ts";
import type { AcceptedDomain, PolicySnapshot, TrustedRelay } from "../policy/snapshot.ts";
import { relayPermission } from "../smtp/relay-permission.ts";
import type { Reply } from "../smtp/reply.ts";
import type { ClientFacts, HeloFacts } from "../smtp/session-handler.ts";
import type { StageServices } from "../stages/catalog.ts";

export type Snapshot = PolicySnapshot<StageServices>;

/** What is known of one connection. Reports of connect and helo live as long as it does. */
export interface Session {
  readonly id: SessionId;
  readonly client: ClientFacts;
  readonly receivedAt: number;
  readonly seed: string;
  /** The snapshot and the pipeline under which the reports below were judged. */
  snapshot: Snapshot;
  pipeline: Pipeline;
  /** Who logged on. */
  user: string | null;
  helo: HeloFacts | null;
  connectReports: readonly StageReport[];
  heloReports: readonly StageReport[];
  readonly queries: QueryBudget;
}

/** MAIL to the final reply. Dropped whole, never reset field by field. */
export interface Transaction {
  readonly id: TransactionId;
  readonly session: Session;
  readonly snapshot: Snapshot;
  readonly pipeline: Pipeline;
  /** That of the pipeline. */
  readonly plan: Plan<StageServices>;
  readonly startedAt: number;
  readonly sender: Address | null;
  readonly mail: MailParameters;
  /** With the reports of connect, helo and mail, under this transaction's snapshot. */
  readonly facts: MailFacts;
  readonly recipients: Recipient[];
  readonly refused: RefusedRecipient[];
  readonly queries: QueryBudget;
  /** The client brings mail of others; null: he is judged himself. */
  readonly relay: TrustedRelay | null;
}

/** One that was answered 250 at RCPT. */
export interface Recipient {
  readonly envelope: EnvelopeRecipient;
  /** Null for the bare postmaster. */
  readonly domain: AcceptedDomain | null;
  readonly reports: readonly StageReport[];
  readonly reply: Reply;
}

export interface RefusedRecipient {
  readonly envelope: EnvelopeRecipient;
  readonly reports: readonly StageReport[];
  readonly action: "reject" | "defer";
  readonly cause: Cause;
  readonly stage: string | null;
  readonly score: number;
  readonly scl: number;
  readonly reply: Reply;
}

/** One budget of DNS queries, handed to each phase under that phase's signal. */
export interface QueryBudget {
  under(signal: AbortSignal): LookupScope;
}

export function createQueryBudget(): QueryBudget {
  const scope = createLookupScope(new AbortController().signal);
  return { under: (signal) => withSignal(scope, signal) };
}

export function connectFacts(session: Session): ConnectFacts {
  const { client, receivedAt, seed } = session;
  return {
    client: { ip: client.ip, port: client.port },
    listener: client.listener,
    receivedAt,
    seed,
    reports: [],
  };
}

export function heloFacts(session: Session, helo: HeloFacts): HeloPhaseFacts {
  return {
    ...connectFacts(session),
    helo: { verb: helo.verb, name: helo.name },
    tls: helo.tls,
    relay: relayPermission(session.client, helo.tls, session.user),
    reports: session.connectReports,
  };
}

export function mailFacts(
  session: Session,
  helo: HeloFacts,
  sender: Address | null,
  mail: MailParameters,
): MailFacts {
  const reports = [...session.connectReports, ...session.heloReports];
  return { ...heloFacts(session, helo), sender, mail, reports };
}

export function dataFacts({ facts, recipients }: Transaction): DataFacts {
  return { ...facts, recipients: recipients.map(({ envelope }) => envelope.address) };
}
