import type { AcceptedDomain } from "../policy/snapshot.ts";
import type { Transaction } from "./session-state.ts";

/** Why a recipient who exists cannot be part of this transaction. */
export type DomainFault =
  | { readonly action: "reject"; readonly cause: "too-large" }
  | { readonly action: "defer"; readonly cause: "too-many-recipients" | "recipients-differ" };

/** Null when he can. All of it is known at RCPT but for the size of who declares none. */
export function domainFault(
  { recipients, mail }: Pick<Transaction, "recipients" | "mail">,
  domain: AcceptedDomain | null,
): DomainFault | null {
  if (domain === null) return null;
  const { limits, name } = domain;
  // RFC 1870 6.1: who declares a size wants to be told at once.
  if (limits?.maxBytes !== undefined && (mail.size ?? 0) > limits.maxBytes)
    return { action: "reject", cause: "too-large" };
  const most = limits?.recipients;
  if (most !== undefined && recipients.filter((one) => one.domain?.name === name).length >= most)
    return { action: "defer", cause: "too-many-recipients" };
  const first = recipients.find((one) => one.domain !== null)?.domain;
  return first && !canShareData(first, domain)
    ? { action: "defer", cause: "recipients-differ" }
    : null;
}

/** Of the recipients so far, who all have the same; null: the general limit. */
export function dataLimit({ recipients }: Pick<Transaction, "recipients">): number | null {
  return recipients.find(({ domain }) => domain !== null)?.domain?.limits?.maxBytes ?? null;
}

/** DATA has one reply: one for the size, one for the line endings, and one moment of the promise. */
function canShareData(a: AcceptedDomain, b: AcceptedDomain): boolean {
  const isSameSize = a.limits?.maxBytes === b.limits?.maxBytes;
  return a.ack === b.ack && a.lineEndings === b.lineEndings && isSameSize;
}
