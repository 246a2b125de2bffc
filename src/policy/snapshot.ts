import type { SigningKey } from "../auth/dkim/signing-key.ts";
import type { Json } from "../base/json.ts";
import type { Address } from "../mail/address.ts";
import type { Plans, Thresholds } from "../pipeline/plan.ts";
import type { RelayPermission } from "../smtp/relay-permission.ts";
import type { FileException } from "./file-exception.ts";
import type { Limits } from "./limits.ts";
import type { OwnAuthorsFile } from "./own-authors.ts";
import type { Known } from "./recipient-key.ts";

/** The whole policy folder as one immutable value. A transaction keeps the one it started with. */
export interface PolicySnapshot<Services> {
  /** Hash of everything that was read: in every log line, header and record. */
  readonly version: string;
  /** Hash of the passwords and keys that it holds. Shown nowhere. */
  readonly secrets?: string;
  readonly loadedAt: number;
  readonly plans: Plans<Services>;
  readonly domains: Domains;
  readonly routing: Routing;
  readonly relays: TrustedRelays;
  /** Those of access.yaml, in its order. */
  readonly exceptions: readonly FileException[];
  readonly limits: Limits;
  readonly replies: ReplyWords;
  readonly quarantine: { readonly keepDays: number };
  readonly tracking: { readonly keepDays: number };
  readonly headers: { readonly spamCompatibility: boolean; readonly firewall: readonly string[] };
  /** What is different for mail of ours, beside its plan. */
  readonly outbound: {
    /** Whose MAIL FROM must be of an accepted domain, by what permits them to relay. */
    readonly ownSenders: readonly RelayPermission["by"][];
    /** Whose From must be an address of his; as the file has it. */
    readonly ownAuthors: OwnAuthorsFile;
    readonly headers: OutboundHeaders;
  };
  readonly signing: SigningPolicy;
  /** Everything with its defaults filled in, for `policy show --effective`. */
  readonly effective: Json;
}

/** Whose mail we put our signature under (RFC 6376), and whose chain we go on with (RFC 8617). */
export interface SigningPolicy {
  /** For mail whose author is of this domain; empty: it is not ours to sign. */
  keysFor(domain: string): readonly NamedSigningKey[];
  /** By `example.org` or `*.example.org`. */
  readonly all: readonly {
    readonly pattern: string;
    readonly keys: readonly NamedSigningKey[];
  }[];
  /** x= after t=; null: a signature does not end. */
  readonly expiresMs: number | null;
  /** `send`: without a signature. */
  readonly onFailure: "defer" | "send";
  readonly sealing: SealingPolicy | null;
}

export interface NamedSigningKey extends SigningKey {
  readonly file: string;
}

export interface SealingPolicy {
  readonly key: NamedSigningKey;
  /** `changed`: only what edits of ours have changed. */
  readonly when: "changed" | "always";
}

export interface Domains {
  /** `domain` in its canonical form (Address.domain); null: we do not accept mail for it. */
  find(domain: string): AcceptedDomain | null;
  readonly all: readonly AcceptedDomain[];
}

/** Servers that bring mail of others: a backup MX, a filter, a forwarder. */
export interface TrustedRelays {
  /** The one in force at a time whose network holds the address, the smallest network first. */
  find(ip: string, at: number): TrustedRelay | null;
}

export interface TrustedRelay {
  /** An address or a network. */
  readonly client: string;
  /** What its servers call themselves in Received; `*.suffix` for all below. Lower case. */
  readonly names: readonly string[];
  /** MAIL FROM is its own (SRS): SPF is about it, not about the origin. */
  readonly rewritesSender: boolean;
  readonly unreadable: "quarantine" | "stamp";
}

/** What the stage `domains` judges by. */
export interface RoutedDomains extends Domains {
  /** Some connector takes the domain, ours or not. */
  hasRoute(domain: string): boolean;
}

/** What the outside does not get to see of the inside. */
export interface OutboundHeaders {
  /** `name` or `prefix*`. */
  readonly remove: readonly string[];
  /** `remove`: those that hosts of the inside wrote; ours stay. */
  readonly received: "keep" | "remove";
  /** `remove`: what we think of the message is not stamped. */
  readonly verdict: "keep" | "remove";
}

/** What the stage `own-sender` judges by. */
export interface OwnSenders {
  readonly of: readonly RelayPermission["by"][];
  /** `domain` in its canonical form is one we accept mail for. */
  owns(domain: string): boolean;
}

export interface AcceptedDomain {
  /** Lower-case A-labels. */
  readonly name: string;
  /**
   * `authoritative`: who is not known does not exist. `internal-relay`: a list knows some, and the
   * hub behind the route knows the rest. `external-relay`: we only pass on, and look nobody up.
   */
  readonly type: "authoritative" | "internal-relay" | "external-relay";
  readonly recipients: RecipientSource;
  readonly ack: "hub" | "spool";
  readonly lineEndings: "refuse" | "normalise";
  /** Absent: the plan's. */
  readonly thresholds?: Thresholds;
  /** Below the general ones. */
  readonly limits?: DomainLimits;
  /** Spam stages that count for nothing here. */
  readonly skip?: readonly string[];
}

export interface DomainLimits {
  /** Octets of a message. */
  readonly maxBytes?: number | undefined;
  /** Of this domain in one transaction. */
  readonly recipients?: number | undefined;
}

/** How we know at RCPT whether a recipient exists. */
export type RecipientSource =
  | RecipientList
  | { readonly kind: "call-out"; readonly rules: CallOutRules }
  /** `verify: off`: everyone is accepted. */
  | { readonly kind: "any" };

export interface RecipientList {
  readonly kind: "list";
  /** Local parts compare without case; a list entry `@domain` means everyone. */
  find(localPart: string, domain: string): Known;
  readonly count: number;
  /** "domains.yaml" or the file's name. */
  readonly from: string;
  /** Absent: what is not in it does not exist, however old it is. */
  readonly age?: ListAge;
  /** The public key that signed it. */
  readonly key?: string;
  /** What parts a mailbox from its tag, where tags count. */
  readonly tags?: string;
}

/** Milliseconds since the epoch. */
export interface ListAge {
  readonly madeAt: number;
  /** After this a recipient who is not in the list may have been made since. */
  readonly freshUntil: number;
  readonly stale: "accept" | "defer";
}

/** How the hub is asked. */
export interface CallOutRules {
  /** How long its yes and its no are believed. */
  readonly positiveMs: number;
  readonly negativeMs: number;
  /** In MAIL FROM; null: the null sender. */
  readonly sender: Address | null;
  /** Questions a minute, answers from the cache not counted. */
  readonly perMinute: number;
  /** What shares them. */
  readonly countedAs: string;
}

export interface Routing {
  /** The connector for a recipient's domain, most specific address space first, then least cost. */
  route(domain: string): Connector | null;
  /**
   * That one, and those of the same address space in its stead, at more cost and with no less TLS,
   * while none of its servers can be reached.
   */
  ways(domain: string): readonly Connector[];
  readonly all: readonly Connector[];
  /** Absent: none are sent. */
  readonly tlsReports?: ReportPolicy;
  readonly dmarcReports?: ReportPolicy;
}

/**
 * Reports to domains that ask for them, once a day: about the TLS of their mail servers (RFC 8460),
 * about mail in their name (RFC 9990).
 */
export interface ReportPolicy {
  readonly enabled: boolean;
  /** Who sends them by mail, and gets them back when they fail. */
  readonly from: Address;
  /** Whom their reader may ask; default: `from`. */
  readonly contact: string;
  /** Default: our host name. */
  readonly organization: string | null;
}

export interface Connector {
  readonly name: string;
  /** `example.org`, `*.example.org`, `*`. */
  readonly domains: readonly string[];
  readonly cost: number;
  readonly to: ConnectorTarget;
  readonly tls: ConnectorTls;
  /** Of ours, at most one a family. Empty: the system chooses. */
  readonly sourceAddresses: readonly string[];
  /** What we say in EHLO; null: the gateway's host name. */
  readonly ehlo: string | null;
  readonly auth: ConnectorAuth | null;
  /** To one server. */
  readonly maxConnections: number;
  readonly messagesPerConnection: number;
}

export type ConnectorTarget =
  | { readonly kind: "smarthosts"; readonly hosts: readonly Smarthost[] }
  /** The mail servers of the recipient's domain (RFC 5321 5.1). */
  | {
      readonly kind: "mx";
      readonly port: number;
      /** Policies of others that are heeded; absent: they are. */
      readonly dane?: boolean;
      readonly mtaSts?: boolean;
    };

export interface Smarthost {
  readonly host: string;
  readonly port: number;
  /** The lowest first. */
  readonly priority: number;
  /** Its share among those of equal priority. */
  readonly weight: number;
}

export interface ConnectorTls {
  readonly mode: "none" | "opportunistic" | "required" | "verified" | "pinned" | "mutual";
  /** Names that the certificate may be for; empty: the host. */
  readonly names: readonly string[];
  /** Authorities trusted instead of the system's. */
  readonly ca: NamedText | null;
  /** SHA-256 of certificates or of their keys. */
  readonly pins: readonly string[];
  /** Our own certificate. */
  readonly identity: { readonly cert: NamedText; readonly key: NamedText } | null;
}

/** What a file held; shown to the world by its name alone. */
export interface NamedText {
  readonly file: string;
  readonly text: string;
}

export interface ConnectorAuth {
  readonly user: string;
  readonly password: NamedText;
}

/** Own words of `replies.yaml`: text by cause, and a footer for every refusal. */
export interface ReplyWords {
  readonly texts: ReadonlyMap<string, string>;
  readonly footer: string | null;
}

/** Who holds the policy in force. */
export interface PolicyHolder<Services> {
  current(): PolicySnapshot<Services>;
  /** All or nothing: on PolicyError the old snapshot stays, and the error is thrown. */
  reload(): Promise<PolicySnapshot<Services>>;
  onChange(listener: (snapshot: PolicySnapshot<Services>) => void): () => void;
  /** The error of the last reload, null when the files on disk are in force. */
  lastError(): Error | null;
  close(): Promise<void>;
}
