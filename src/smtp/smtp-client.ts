import type { Address } from "../mail/address.ts";
import type { Envelope } from "../mail/envelope.ts";
import type { MessageSource } from "../mail/message.ts";
import type { ClientIdentity, RemoteTls, TlsDemand, TlsFault } from "./remote-tls.ts";

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
  /** A name or an address: for the log, and for SNI unless the demand is DANE's. */
  readonly host: string;
  readonly port: number;
  /** The one address of the host to connect to. Absent: all of the host's, in order. */
  readonly address?: string;
}

/** How to meet a server. Plain data. */
export interface ConnectHow {
  readonly tls: TlsDemand;
  /** Our certificate, shown when the server asks for one. */
  readonly identity?: ClientIdentity;
  /** What we say in EHLO. Default: the gateway's host name. */
  readonly ehlo?: string;
  /**
   * Our own addresses, at most one a family, that connections come from. A server without an
   * address of one of these families is not reached: SPF and reverse names speak of these alone.
   */
  readonly localAddresses?: readonly string[];
  /** Never said before the demand is met. */
  readonly auth?: Credentials;
  /** For TCP, instead of the usual 30 s. */
  readonly connectMs?: number;
}

/** RFC 4954. */
export interface Credentials {
  readonly user: string;
  readonly password: string;
}

export type ConnectResult =
  | {
      readonly kind: "connected";
      readonly connection: SmtpConnection;
      /** Why it is in the clear although TLS was offered. */
      readonly brokenTls?: string;
    }
  | ConnectFailure;

export interface ConnectFailure {
  readonly kind: "failed";
  readonly reason: string;
  readonly reply: RemoteReply | null;
  /** Present when it was the TLS that did not do. */
  readonly tlsFault?: TlsFault;
  /** Then the address of the server, and ours. */
  readonly address?: string;
  readonly ownAddress?: string;
  /** True: the server would not take our name and password. */
  readonly isOurAuth?: boolean;
}

export interface SmtpConnector {
  /**
   * Never throws. After it, the session stands: greeting, EHLO, the TLS that `how` demands, and
   * AUTH where it has credentials.
   */
  connect(target: SmtpTarget, how: ConnectHow, signal: AbortSignal): Promise<ConnectResult>;
}

/** One session, one transaction at a time; a second `send` or `probe` meanwhile is a bug. */
export interface SmtpConnection {
  readonly capabilities: RemoteCapabilities;
  /** Null: in the clear. */
  readonly tls: RemoteTls | null;
  /** Where it leads to, as connected. */
  readonly address: string;
  /** Where it comes from. */
  readonly ownAddress?: string;
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
