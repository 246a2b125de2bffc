import type { Address } from "../../src/mail/address.ts";
import type { EnvelopeRecipient, MailParameters } from "../../src/mail/envelope.ts";
import type { Reply } from "../../src/smtp/reply.ts";
import type {
  ClientFacts,
  ConnectionHandler,
  DataFault,
  DataSink,
  HeloFacts,
  Offers,
  TransactionHandler,
} from "../../src/smtp/session-handler.ts";

/** One transaction as the handler saw it. */
export interface SeenTransaction {
  readonly sender: Address | null;
  readonly parameters: MailParameters;
  readonly recipients: EnvelopeRecipient[];
  /** What was written to the sink. */
  readonly chunks: Buffer[];
  end: "open" | "ended" | "dropped" | DataFault;
}

export interface SeenSession {
  readonly client: ClientFacts;
  readonly helos: HeloFacts[];
  readonly transactions: SeenTransaction[];
  closed: string | null;
}

/** What the handler answers; by default everything is accepted. */
export interface Script {
  readonly offers?: Partial<Offers>;
  readonly lineEndings?: DataSink["lineEndings"];
  readonly connect?: () => Promise<Reply | null>;
  readonly helo?: (helo: HeloFacts) => Promise<Reply | null>;
  readonly mail?: (sender: Address | null, signal: AbortSignal) => Promise<Reply | null>;
  readonly rcpt?: (recipient: EnvelopeRecipient, signal: AbortSignal) => Promise<Reply>;
  readonly data?: (signal: AbortSignal) => Promise<Reply | null>;
  readonly write?: (chunk: Buffer) => Promise<void>;
  readonly end?: () => Promise<Reply>;
}

export interface ScriptedHandler extends ConnectionHandler {
  readonly sessions: SeenSession[];
  /** All transactions whose data was taken, in order. */
  delivered(): readonly SeenTransaction[];
}

const OK: Reply = { code: 250, status: "0.0", text: "OK" };
const RECIPIENT_OK: Reply = { code: 250, status: "1.5", text: "Recipient OK" };
const REFUSALS: Readonly<Record<DataFault, Reply>> = {
  "too-large": { code: 552, status: "3.4", text: "Message too large (ref TEST)" },
  "bare-line-ending": { code: 550, status: "6.11", text: "Bare line ending (ref TEST)" },
  "header-too-large": { code: 550, status: "6.0", text: "Header too large (ref TEST)" },
  "too-slow": { code: 421, status: "4.2", text: "Too slow (ref TEST)" },
  gone: { code: 421, status: "4.2", text: "Gone (ref TEST)" },
};

/** A handler that takes everything, remembers what it saw and asserts the order of the contract. */
export function createScriptedHandler(script: Script = {}): ScriptedHandler {
  const sessions: SeenSession[] = [];
  return {
    sessions,
    delivered: () =>
      sessions.flatMap((s) => s.transactions).filter((transaction) => transaction.end === "ended"),
    async connect(client) {
      const refusal = await script.connect?.();
      if (refusal) return refusal;
      const seen: SeenSession = { client, helos: [], transactions: [], closed: null };
      sessions.push(seen);
      return {
        async helo(helo) {
          seen.helos.push(helo);
          return (await script.helo?.(helo)) ?? null;
        },
        offers: () => ({
          maxBytes: 1_000_000,
          eightBitMime: true,
          smtpUtf8: true,
          ...script.offers,
        }),
        mail: (sender, parameters, signal) =>
          openTransaction(script, seen, sender, parameters, signal),
        closed(reason) {
          if (seen.closed !== null) throw new Error("closed twice");
          if (seen.transactions.some(({ end }) => end === "open")) throw new Error("left one open");
          seen.closed = reason;
        },
      };
    },
  };
}

async function openTransaction(
  script: Script,
  seen: SeenSession,
  sender: Address | null,
  parameters: MailParameters,
  signal: AbortSignal,
): Promise<TransactionHandler | Reply> {
  const refusal = await script.mail?.(sender, signal);
  if (refusal) return refusal;
  const transaction: SeenTransaction = {
    sender,
    parameters,
    recipients: [],
    chunks: [],
    end: "open",
  };
  seen.transactions.push(transaction);
  return {
    accepted: { code: 250, status: "1.0", text: "Sender OK" },
    async rcpt(recipient, signal) {
      const reply = (await script.rcpt?.(recipient, signal)) ?? RECIPIENT_OK;
      if (reply.code < 400) transaction.recipients.push(recipient);
      return reply;
    },
    async data(signal) {
      const refused = await script.data?.(signal);
      return refused ?? createSink(script, transaction);
    },
    drop() {
      end(transaction, "dropped");
    },
  };
}

function createSink(script: Script, transaction: SeenTransaction): DataSink {
  return {
    lineEndings: script.lineEndings ?? "refuse",
    refusal: (fault) => REFUSALS[fault],
    async write(chunk) {
      transaction.chunks.push(Buffer.from(chunk));
      await script.write?.(chunk);
    },
    async end() {
      end(transaction, "ended");
      return (await script.end?.()) ?? { ...OK, text: "Queued (ref TEST)" };
    },
    async abort(fault) {
      end(transaction, fault);
    },
  };
}

/** The contract allows one end; a second is a bug of smtp/ and fails the session's test. */
function end(transaction: SeenTransaction, how: SeenTransaction["end"]): void {
  if (transaction.end !== "open") throw new Error(`${how} after ${transaction.end}`);
  transaction.end = how;
}
