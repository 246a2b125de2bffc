import { decodeHeaderText } from "../mail/encoded-words.ts";
import type { Message } from "../mail/message.ts";
import type { Cause } from "../pipeline/cause.ts";
import type {
  MessageRecord,
  RecipientRecord,
  SigningRecord,
  TransactionRecord,
} from "../pipeline/facts.ts";
import { originOf } from "../pipeline/origin.ts";
import type { StageReport } from "../pipeline/report.ts";
import { formatReply, type Reply } from "../smtp/reply.ts";
import type { ClientFacts } from "../smtp/session-handler.ts";
import type { Transaction } from "./session-state.ts";

/** How a transaction ended. */
export interface Ending {
  readonly action: TransactionRecord["action"];
  readonly cause: Cause | null;
  readonly stage: string | null;
  readonly score: number;
  readonly scl: number;
  readonly reply: Reply | null;
  readonly via: TransactionRecord["via"];
  readonly signing?: readonly SigningRecord[];
  /** Fates that differ from the message's, by address as spoken. */
  readonly recipients?: ReadonlyMap<string, Pick<RecipientRecord, "action" | "cause">>;
}

/** The whole story of a transaction, to be stored and told. */
export function toRecord(
  transaction: Transaction,
  message: Message | null,
  dataReports: readonly StageReport[],
  ending: Ending,
  decidedAt: number,
): TransactionRecord {
  const { session, recipients, refused } = transaction;
  const origin = originOf(dataReports);
  const helo = session.helo ?? { verb: "HELO" as const, name: "", tls: null };
  return {
    id: transaction.id,
    sessionId: session.id,
    receivedAt: transaction.startedAt,
    decidedAt,
    policyVersion: transaction.snapshot.version,
    client: clientOf(session.client),
    ...(origin !== undefined && { origin }),
    listener: session.client.listener,
    helo: { verb: helo.verb, name: helo.name },
    tls: helo.tls,
    relay: transaction.facts.relay,
    pipeline: transaction.pipeline,
    sender: transaction.sender?.spoken ?? "",
    recipients: recipientRecords(transaction, ending),
    message: message ? toMessageRecord(message) : null,
    reports: [
      ...transaction.facts.reports,
      ...[...recipients, ...refused].flatMap(({ reports }) => reports),
      ...dataReports,
    ],
    seed: session.seed,
    action: ending.action,
    cause: ending.cause,
    stage: ending.stage,
    score: ending.score,
    scl: ending.scl,
    reply: ending.reply ? formatReply(ending.reply) : "",
    via: ending.via,
    ...(ending.signing && ending.signing.length > 0 && { signing: ending.signing }),
  };
}

function clientOf({ ip, port, via }: ClientFacts): TransactionRecord["client"] {
  return { ip, port, ...(via !== undefined && { via }) };
}

/** The client ended it, and was told nothing. */
export const DROPPED: Ending = {
  action: "dropped",
  cause: null,
  stage: null,
  score: 0,
  scl: 0,
  reply: null,
  via: null,
};

/** How a transaction ended that never came to data: as its last refused recipient, or dropped. */
export function endingWithoutData(transaction: Transaction): Ending {
  const last = transaction.refused.at(-1);
  if (!last || transaction.recipients.length > 0) return DROPPED;
  const { action, cause, stage, score, scl, reply } = last;
  return { action, cause, stage, score, scl, reply, via: null };
}

function recipientRecords(transaction: Transaction, ending: Ending): readonly RecipientRecord[] {
  const taken = transaction.recipients.map(({ envelope, reply }) => {
    const address = envelope.address.spoken;
    const own = ending.recipients?.get(address);
    return {
      address,
      action: own?.action ?? ending.action,
      cause: own ? own.cause : ending.cause,
      reply: formatReply(reply),
    };
  });
  const refused = transaction.refused.map(({ envelope, action, cause, reply }) => ({
    address: envelope.address.spoken,
    action,
    cause,
    reply: formatReply(reply),
  }));
  return [...taken, ...refused];
}

/** What people search for, decoded for display and cut: the bytes stay with the message. */
export function toMessageRecord(message: Message): MessageRecord {
  const show = (name: string) => {
    const value = message.headers.first(name);
    return value === null ? null : decodeHeaderText(value).slice(0, LONGEST_SHOWN);
  };
  return {
    size: message.size,
    sha256: message.sha256,
    messageId: show("Message-ID"),
    subject: show("Subject"),
    from: show("From"),
  };
}

const LONGEST_SHOWN = 998;
