import type { Address } from "../mail/address.ts";
import type { EnvelopeRecipient, MailParameters } from "../mail/envelope.ts";
import type { ClientCertificate } from "./client-certificate.ts";
import type { Reply } from "./reply.ts";

/**
 * The seam between the protocol and whoever judges. smtp/ calls these one at a time, each once, in
 * the order connect → helo → mail → rcpt* → data → (sink). A rejected promise is a bug of the
 * callee: 421 4.3.0, and the session ends. Every signal aborts when the client leaves.
 */
export interface ConnectionHandler {
  /** A refusal is spoken instead of the greeting and closes the connection. */
  connect(client: ClientFacts, signal: AbortSignal): Promise<SessionHandler | Reply>;
}

export interface ClientFacts {
  /** Canonical text, IPv4-mapped IPv6 as IPv4. */
  readonly ip: string;
  readonly port: number;
  /** The address of the proxy that named the client; absent: he came himself. */
  readonly via?: string;
  readonly listener: ListenerFacts;
  /** The network of a hub listener that permits this address to relay. The session host says it. */
  readonly network?: string | null;
}

export interface ListenerFacts {
  readonly name: string;
  readonly kind: "internet" | "hub" | "partner";
  /** What the banner and EHLO say. */
  readonly hostname: string;
}

export interface TlsFacts {
  /** "TLSv1.3" */
  readonly protocol: string;
  readonly cipher: string;
  /** Only where the listener asks for a certificate. Absent is never verified. */
  readonly client?: ClientCertificate;
}

export interface HeloFacts {
  readonly verb: "HELO" | "EHLO";
  /** As spoken: a domain or an address literal, checked for its grammar. */
  readonly name: string;
  readonly tls: TlsFacts | null;
}

export interface SessionHandler {
  /** Somebody vouches for the client: he is not kept waiting. Default: no. */
  readonly isTrusted?: boolean;
  /** He is suspicious and waits so long for his greeting, if the listener has none longer. Default: 0. */
  readonly greetDelaySeconds?: number;
  /** A positive answer is `null`; smtp/ writes the capabilities. Called again after STARTTLS. */
  helo(helo: HeloFacts, signal: AbortSignal): Promise<Reply | null>;
  mail(
    sender: Address | null,
    parameters: MailParameters,
    signal: AbortSignal,
  ): Promise<TransactionHandler | Reply>;
  /** The client proved who he is; holds for the transactions to come. */
  loggedOn?(user: string): void;
  /** What the hub can take and EHLO may therefore offer. Asked at each EHLO. */
  offers(): Offers;
  /** The connection is over. Called once, whatever happened. */
  closed(reason: string): void;
}

export interface Offers {
  readonly maxBytes: number;
  readonly eightBitMime: boolean;
  readonly smtpUtf8: boolean;
  /** RFC 3461: RET, ENVID, NOTIFY and ORCPT are understood. Default: no. */
  readonly dsn?: boolean;
  /** RFC 4954: AUTH, and AUTH= of MAIL. smtp/ says it. */
  readonly auth?: boolean;
}

/** One transaction: dropped by RSET, EHLO, STARTTLS, the connection's end, or the end of data. */
export interface TransactionHandler {
  /** The reply to MAIL FROM. */
  readonly accepted: Reply;
  rcpt(recipient: EnvelopeRecipient, signal: AbortSignal): Promise<Reply>;
  /** DATA was said and there is at least one accepted recipient. A reply refuses before 354. */
  data(signal: AbortSignal): Promise<DataSink | Reply>;
  /** Ended without a message. Never called after a sink was given out. */
  drop(reason: string): void;
}

/** Takes the message, dot-unstuffed, lines ending in CRLF only. */
export interface DataSink {
  /** Bare CR, LF and NUL: refused with 550 5.6.11, or made CRLF (NUL removed) before `write`. */
  readonly lineEndings: "refuse" | "normalise";
  /** The recipients take no larger message. Absent: what EHLO promised. */
  readonly maxBytes?: number;
  /** What the client is told about a fault, with the reference that every refusal carries. */
  refusal(fault: DataFault): Reply;
  /** Back-pressure: smtp/ reads no further until this resolves. */
  write(chunk: Buffer): Promise<void>;
  /** The final dot was seen. The reply is the promise of 250, or a refusal. */
  end(): Promise<Reply>;
  /**
   * The data is no message: too large, a bare line ending, a client gone. Nothing may be kept.
   * The client is told `refusal(fault)`.
   */
  abort(fault: DataFault): Promise<void>;
}

export type DataFault = "too-large" | "bare-line-ending" | "header-too-large" | "too-slow" | "gone";
