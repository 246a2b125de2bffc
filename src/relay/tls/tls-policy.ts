import type { LookupScope } from "../../net/resolver.ts";
import type { TlsFailure, TlsPolicyFacts } from "../../pipeline/facts.ts";
import type { Connector } from "../../policy/snapshot.ts";
import type { RemoteTls, TlsDemand } from "../../smtp/remote-tls.ts";
import type { ConnectFailure } from "../../smtp/smtp-client.ts";

/** An MX host before we connect to one of its addresses. */
export interface MxQuestion {
  readonly connector: Connector;
  /** Of the recipients, canonical. */
  readonly domain: string;
  /** The exchange of the MX record; the domain itself when it has none. */
  readonly host: string;
  readonly port: number;
  /** False: the domain has no MX record (RFC 5321 5.1, implicit MX). */
  readonly hasMx: boolean;
  /** A report about broken TLS must be able to go where TLS is broken (RFC 8460 3). */
  readonly ignoresPolicies?: boolean;
  /** Of this attempt: its signal, and what it may still ask DNS. */
  readonly scope: LookupScope;
}

export type TlsRuling =
  | {
      readonly kind: "demand";
      readonly demand: TlsDemand;
      /** Why, for `explain`: "DANE, 2 TLSA records". Absent: the connector says so. */
      readonly policy?: string;
      readonly about?: RulingGround;
    }
  /** This host must not be met now; the next may. Nothing is ever sent with less instead. */
  | { readonly kind: "skip"; readonly reason: string };

/** What a ruling stands on, for reports. */
export interface RulingGround {
  readonly policy: TlsPolicyFacts;
  /** What is wrong with the policy itself, though mail goes on. */
  readonly trouble: TlsFailure | null;
}

/** How a connection to an MX host that a ruling let us make has ended up. */
export type MxSession =
  | {
      readonly kind: "connected";
      readonly tls: RemoteTls | null;
      readonly address: string;
      readonly ownAddress?: string;
      /** Why it is in the clear although TLS was offered. */
      readonly brokenTls?: string;
    }
  | ConnectFailure;

/**
 * What TLS an MX host must be met with: DANE and MTA-STS, else what the connector says. Asked once
 * for each host of an attempt. Smarthosts are met as their connector says.
 */
export interface TlsPolicy {
  /** Never throws: what cannot be found out is `skip`, not less security. */
  rule(question: MxQuestion): Promise<TlsRuling>;
  /** Told of each new connection, for reports (RFC 8460). Must not throw. */
  ended(question: MxQuestion, ruling: TlsRuling, session: MxSession): void;
}
