import type { Address } from "../../mail/address.ts";
import type { CallOutRules } from "../../policy/snapshot.ts";

/**
 * Asks the hub whether it would take mail for a recipient, without sending any (call-out). relay/
 * implements it over its connections, with a cache. Never rejects for what the hub does.
 */
export interface RecipientProbe {
  /** Ends early with `unknown` when the signal aborts. Without rules those of domains.yaml's default. */
  probe(recipient: Address, signal: AbortSignal, rules?: CallOutRules): Promise<ProbeAnswer>;
}

/** Plain JSON. `reply` is the hub's line as it said it: "550 5.1.1 No such user". */
export type ProbeAnswer = {
  /**
   * `accepted`, `refused` (5xx) and `later` (4xx) are the hub's answers to RCPT; `unknown` when
   * there was none: no connection, or refused before RCPT. `limited`: it was asked too often already.
   */
  readonly kind: "accepted" | "refused" | "later" | "unknown" | "limited";
  readonly reply?: string;
  readonly cached: boolean;
};
