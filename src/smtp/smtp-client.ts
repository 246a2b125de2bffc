import type { Address } from "../mail/address.ts";
import type { Envelope } from "../mail/envelope.ts";
import type { MessageSource } from "../mail/message.ts";

/** A reply of the other side, kept as it was said. Lines joined by a blank, controls removed. */
export interface RemoteReply {
  readonly code: number;
  /** "5.1.1" when the server gave one. */
  readonly status: string | null;
  readonly text: string;
  /** Nobody said it: we did, in the other side's stead. */
  readonly isOurs?: true;
}

/** What EHLO offered. */
export interface RemoteCapabilities {
  readonly eightBitMime: boolean;
  readonly smtpUtf8: boolean;
  readonly dsn: boolean;
  readonly pipelining: boolean;
  /** Octets; null: no SIZE or SIZE 0. */
  readonly maxBytes: number | null;
  /** SIZE was offered, with a limit or without (RFC 1870). */
  readonly sizeOffered: boolean;
}

/** What became of one recipient in one attempt. */
export type RecipientFate =
  | { readonly kind: "accepted"; readonly reply: RemoteReply }
  | { readonly kind: "refused"; readonly reply: RemoteReply }
  | { readonly kind: "later"; readonly reply: RemoteReply };

/** How an attempt to send one message over one connection ended. */
export type SendOutcome =
  /** The server answered for everyone; in the order of the envelope's recipients. */
  | {
      readonly kind: "answered";
      readonly fates: readonly RecipientFate[];
      /** The server offered DSN: what the sender asked for (RFC 3461) is its matter now. */
      readonly dsn?: boolean;
    }
  /**
   * Nothing was handed over: it ended before our final dot, or the server answered 421, which
   * speaks of the connection and not of the message.
   */
  | { readonly kind: "unsent"; readonly reason: string; readonly reply: RemoteReply | null }
  /** It ended after our final dot and before an answer: the message may or may not be there. */
  | { readonly kind: "uncertain"; readonly reason: string };

export interface SmtpTarget {
  /** A name or an address. It is what the certificate must be for in mode `verified`. */
  readonly host: string;
  readonly port: number;
}

/**
 * `opportunistic`: TLS when it is offered and works, whatever the certificate, else plain.
 * `required`: TLS or nothing, whatever the certificate. `verified`: a valid one for the host.
 */
export type TlsMode = "none" | "opportunistic" | "required" | "verified";

export type ConnectResult =
  | { readonly kind: "connected"; readonly connection: SmtpConnection }
  | { readonly kind: "failed"; readonly reason: string; readonly reply: RemoteReply | null };

export interface SmtpConnector {
  /** Never throws. After it, the session stands: greeting, EHLO, and TLS where the mode wants it. */
  connect(target: SmtpTarget, tls: TlsMode, signal: AbortSignal): Promise<ConnectResult>;
}

/** One session, one transaction at a time; a second `send` or `probe` meanwhile is a bug. */
export interface SmtpConnection {
  readonly capabilities: RemoteCapabilities;
  readonly tls: { readonly protocol: string; readonly cipher: string } | null;
  /**
   * Never throws. `onDot` is called once, immediately before the final dot is written and after
   * everything before it has left this process: no return from there.
   */
  send(envelope: Envelope, source: MessageSource, onDot?: () => void): Promise<SendOutcome>;
  /** MAIL, RCPT, RSET without DATA: what the server thinks of a recipient. */
  probe(
    sender: Address | null,
    recipient: Address,
  ): Promise<RecipientFate | { readonly kind: "unsent"; readonly reason: string }>;
  /** True while it may carry another message. */
  usable(): boolean;
  quit(): Promise<void>;
  close(): void;
}
