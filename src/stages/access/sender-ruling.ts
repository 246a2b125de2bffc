import { passesFor, type SenderIdentity } from "../../auth/sender-identities.ts";
import { isWithin } from "../../mail/domain-name.ts";
import type { Finding, Verdict } from "../../pipeline/verdict.ts";
import type { SenderEntry, SenderSubject } from "./sender-entries.ts";
import { toFinding } from "./strongest-entry.ts";

/**
 * What a proven MAIL FROM excuses: checks of client and envelope. Whose name stands in From is judged
 * all the same, since its owner was asked nothing.
 */
export const ENVELOPE_STAGES: readonly string[] = [
  "connection-rate",
  "dnsbl",
  "reverse-dns",
  "pregreet",
  "helo",
  "spf",
  "sender-domain",
  "reputation",
  "message-rate",
  "rcpt-rate",
  "greylist",
];

/** What the lists say of a sender, of whom SPF and DKIM said what they said. */
export interface Ruling {
  /** The entry that counts. */
  readonly entry: SenderEntry | null;
  readonly unproven: readonly Finding[];
}

export const NO_RULING: Ruling = { entry: null, unproven: [] };

/** An allow entry counts only for a proven sender, unless it says that he need not be. */
export function toRuling(
  entries: readonly SenderEntry[],
  { domain }: SenderSubject,
  identities: readonly SenderIdentity[],
): Ruling {
  const isProven = passesFor(identities, (one) => isWithin(domain, one));
  const counts = ({ list, authenticated }: SenderEntry) =>
    list === "block" || isProven || authenticated === false;
  const [first] = entries;
  const unproven = first && !counts(first);
  return {
    entry: entries.find(counts) ?? null,
    unproven: unproven ? [toFinding("SENDER_ALLOWED_UNPROVEN", first.match, first)] : [],
  };
}

/** Null: it lets past nothing. */
export function trustEnvelope(entry: SenderEntry): Verdict | null {
  const scope = ENVELOPE_STAGES.filter((name) => entry.scope?.includes(name) ?? true);
  return scope.length === 0 ? null : trust(entry, scope);
}

export function trust(entry: SenderEntry, scope: readonly string[] | undefined): Verdict {
  const findings = [toFinding("SENDER_ALLOWED", entry.match, entry)];
  return { kind: "trust", ...(scope && { scope }), findings };
}
