import type { Cause } from "./cause.ts";
import type { Edit } from "./edit.ts";

/** A mark with a weight. `detail` is for log and console, never for the client. */
export interface Finding {
  /** Upper case with underscores: DNSBL_LISTED. Policy may give the symbol another score. */
  readonly symbol: string;
  readonly score: number;
  readonly detail?: string;
  /** The key of an operator's exception, by command or in access.yaml, that made it: a use of it. */
  readonly entry?: string;
}

/** What one stage thinks. A stage names a cause, never an SMTP code. */
export type Verdict = {
  readonly findings: readonly Finding[];
  readonly edits?: readonly Edit[];
} & (
  | { readonly kind: "neutral" }
  /** Spam stages (all, or those in `scope`) count for nothing; antivirus and attachments never. */
  | { readonly kind: "trust"; readonly scope?: readonly string[] }
  | {
      readonly kind: "quarantine" | "defer" | "reject";
      readonly cause: Cause;
      /** Words for the reply that the sender may read: zone, list text, malware name, file name. */
      readonly about?: Readonly<Record<string, string>>;
    }
  /** Replay only: the evidence was never gathered. */
  | { readonly kind: "unknown"; readonly missing: readonly string[] }
);

export type RefusingVerdict = Extract<Verdict, { kind: "quarantine" | "defer" | "reject" }>;

export const NEUTRAL: Verdict = Object.freeze({ kind: "neutral", findings: Object.freeze([]) });

/** True for a verdict that alone decides: quarantine, defer or reject. */
export function isRefusing(verdict: Verdict): verdict is RefusingVerdict {
  return verdict.kind === "quarantine" || verdict.kind === "defer" || verdict.kind === "reject";
}
