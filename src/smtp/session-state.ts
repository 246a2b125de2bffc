import type { SaslStep } from "./sasl-exchange.ts";
import type {
  HeloFacts,
  Offers,
  SessionHandler,
  TlsFacts,
  TransactionHandler,
} from "./session-handler.ts";

/** MAIL was accepted, the reply to its data not given yet. */
export interface OpenTransaction {
  readonly handler: TransactionHandler;
  readonly smtpUtf8: boolean;
  readonly declaredBytes: number | undefined;
  accepted: number;
  attempts: number;
}

/** What a session knows of its client after the greeting. STARTTLS forgets all but `tls`. */
export interface SessionState {
  readonly handler: SessionHandler;
  tls: TlsFacts | null;
  /** The last accepted HELO or EHLO. */
  helo: HeloFacts | null;
  /** What it was answered. */
  offers: Offers;
  transaction: OpenTransaction | null;
  /** Who logged on, as the operator writes the name. Only within TLS. */
  user: string | null;
  /** The client's next line answers it. */
  exchange: (SaslStep & { readonly kind: "challenge" }) | null;
}

export function newSessionState(handler: SessionHandler, maxBytes: number): SessionState {
  const offers = { maxBytes, eightBitMime: false, smtpUtf8: false };
  return { handler, tls: null, helo: null, offers, transaction: null, user: null, exchange: null };
}

export function dropTransaction(state: SessionState, reason: string): void {
  const { transaction } = state;
  state.transaction = null;
  transaction?.handler.drop(reason);
}
