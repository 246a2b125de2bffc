import type { Json } from "../base/json.ts";
import type { Plans, Thresholds } from "../pipeline/plan.ts";
import type { RelayPermission } from "../smtp/relay-permission.ts";
import type { Limits } from "./limits.ts";

/** The whole policy folder as one immutable value. A transaction keeps the one it started with. */
export interface PolicySnapshot<Services> {
  /** Hash of everything that was read: in every log line, header and record. */
  readonly version: string;
  readonly loadedAt: number;
  readonly plans: Plans<Services>;
  readonly domains: Domains;
  readonly routing: Routing;
  readonly limits: Limits;
  readonly replies: ReplyWords;
  readonly quarantine: { readonly keepDays: number };
  readonly tracking: { readonly keepDays: number };
  readonly headers: { readonly spamCompatibility: boolean; readonly firewall: readonly string[] };
  /** What is different for mail of ours, beside its plan. */
  readonly outbound: {
    /** Whose MAIL FROM must be of an accepted domain, by what permits them to relay. */
    readonly ownSenders: readonly RelayPermission["by"][];
    readonly headers: OutboundHeaders;
  };
  /** Everything with its defaults filled in, for `policy show --effective`. */
  readonly effective: Json;
}

export interface Domains {
  /** `domain` in its canonical form (Address.domain); null: we do not accept mail for it. */
  find(domain: string): AcceptedDomain | null;
  readonly all: readonly AcceptedDomain[];
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
  readonly type: "authoritative" | "internal-relay" | "external-relay";
  readonly recipients: RecipientSource;
  readonly ack: "hub" | "spool";
  readonly lineEndings: "refuse" | "normalise";
  /** Absent: the plan's. */
  readonly thresholds?: Thresholds;
}

/** How we know at RCPT whether a recipient exists. */
export type RecipientSource =
  | {
      readonly kind: "list";
      /** Local parts compare without case; a list entry `@domain` means everyone. */
      has(localPart: string, domain: string): boolean;
      readonly count: number;
      /** "domains.yaml" or the file's name. */
      readonly from: string;
    }
  | { readonly kind: "call-out" }
  /** `verify: off`: everyone is accepted. */
  | { readonly kind: "any" };

export interface Routing {
  /** The connector for a recipient's domain, most specific address space first, then least cost. */
  route(domain: string): Connector | null;
  readonly all: readonly Connector[];
}

export interface Connector {
  readonly name: string;
  /** `example.org`, `*.example.org`, `*`. */
  readonly domains: readonly string[];
  readonly cost: number;
  /** In order of preference. */
  readonly smarthosts: readonly { readonly host: string; readonly port: number }[];
  readonly tls: "none" | "opportunistic" | "required" | "verified";
  readonly maxConnections: number;
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
