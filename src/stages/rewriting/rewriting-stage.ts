import type { Address } from "../../mail/address.ts";

/**
 * What stages of `rewriting.yaml` have in common. Mail whose addresses cannot be rewritten is put
 * off: sent on as it is it would show what is internal, or reach the wrong one.
 */
export const rewritingStage = {
  timeoutMs: 2000,
  onFailure: "closed",
  trustable: false,
  file: "rewriting",
} as const;

/** For findings: what became of an address. */
export function inArrow(from: Address, to: Address): string {
  return `${from.spoken} → ${to.spoken}`;
}
