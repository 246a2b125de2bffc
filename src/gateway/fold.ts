import type { Address } from "../mail/address.ts";
import type { EnvelopeRecipient } from "../mail/envelope.ts";
import { type Decision, decide } from "../pipeline/decision.ts";
import type { Plan } from "../pipeline/plan.ts";
import type { StageReport } from "../pipeline/report.ts";
import type { AcceptedDomain } from "../policy/snapshot.ts";

/** A recipient with what is to become of his copy. */
export interface Ruled {
  readonly recipient: EnvelopeRecipient;
  readonly domain: AcceptedDomain | null;
  readonly decision: Decision;
}

/** What becomes of the message: one reply after DATA although recipients may disagree. */
export type Folded =
  | {
      readonly kind: "refuse";
      readonly decision: Decision & { readonly action: "reject" | "defer" };
    }
  | { readonly kind: "take"; readonly relay: readonly Ruled[]; readonly hold: readonly Ruled[] };

/** The decision for one recipient from all reports that concern him. */
export function ruleRecipient(
  { mode, scoring }: Pick<Plan<never>, "mode" | "scoring">,
  address: Address,
  domain: AcceptedDomain | null,
  reports: readonly StageReport[],
  relayed = false,
): Decision {
  const isOurs = domain !== null || address.domain === "";
  const exempt = isOurs && EXEMPT.has(address.localPart.toLowerCase());
  const { thresholds, skip } = domain ?? {};
  return decide(reports, { mode, scoring, thresholds, exempt, skip, relayed });
}

/**
 * RFC 5321 4.5.1, RFC 2142: whoever is refused must be able to say so. Never from malware, and only
 * at domains of ours: what a hub relays through us to others is judged whoever it is for.
 */
const EXEMPT: ReadonlySet<string> = new Set(["postmaster", "abuse"]);

/**
 * All reject → reject; any defer → defer for all, nothing kept; otherwise taken, and the copy of a
 * refused recipient is held, never bounced (architecture.md section 3, promise 5).
 */
export function foldRecipients(ruled: readonly Ruled[]): Folded {
  const deferred = ruled.find(({ decision }) => decision.action === "defer");
  const refusal = deferred ?? ruled[0];
  if (refusal && (deferred || ruled.every(({ decision }) => decision.action === "reject"))) {
    const action = deferred ? "defer" : "reject";
    return { kind: "refuse", decision: { ...refusal.decision, action } };
  }
  const relay = ruled.filter(({ decision }) => decision.action === "relay");
  const hold = ruled.filter(({ decision }) => decision.action !== "relay");
  return { kind: "take", relay, hold };
}
