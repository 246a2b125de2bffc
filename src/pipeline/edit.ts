import type { Address } from "../mail/address.ts";
import type { StageReport } from "./report.ts";

/**
 * A change to the message or its envelope, as a value. Stages propose, the gateway applies once, in
 * plan order, after the decision: what was judged is what came. Other kinds (body, score) join this
 * union with the stages that need them.
 */
export type Edit = HeaderEdit | EnvelopeEdit | SigningEdit;

/** Mail of ours that goes out without our signature, and why. */
export interface SigningEdit {
  readonly kind: "leave-unsigned";
  readonly reason: string;
}

export type HeaderEdit =
  /** Added on top of the message; value without CR or LF (the engine folds). */
  | { readonly kind: "add-header"; readonly name: string; readonly value: string }
  /** Removes every field of that name. */
  | { readonly kind: "remove-header"; readonly name: string }
  /**
   * Octets inside the value of one field, by their place in the message as it came. `old` is what
   * stands there, one octet a char; every other octet of the field stays.
   */
  | {
      readonly kind: "replace-in-header";
      readonly name: string;
      readonly at: number;
      readonly old: string;
      readonly text: string;
    };

/** Of the rcpt phase: for that recipient only. Of another phase: for all. The last one holds. */
export type EnvelopeEdit =
  /** What we say in MAIL FROM. Our own bounces still go to the sender as spoken. */
  | { readonly kind: "set-sender"; readonly sender: Address }
  /** Whom the copy goes to, and who is checked from the next step on. Replies keep the spoken one. */
  | { readonly kind: "replace-recipient"; readonly address: Address }
  /** A blind copy in an envelope of its own, sent when the recipient's own copy is. */
  | { readonly kind: "add-recipient"; readonly address: Address };

/** The edits of stages whose verdict counts, in plan order. */
export function editsOf(reports: readonly StageReport[]): readonly Edit[] {
  return reports.flatMap(({ mode, outcome, verdict }) =>
    mode === "enforce" && outcome !== "skipped" ? (verdict.edits ?? []) : [],
  );
}

/** Whom the mail for a recipient goes to. The same object when nobody was put in his place. */
export function recipientAfter(recipient: Address, edits: readonly Edit[]): Address {
  const last = edits.findLast((edit) => edit.kind === "replace-recipient");
  return last ? last.address : recipient;
}

/** The sender that is spoken to the next server. */
export function senderAfter(sender: Address | null, edits: readonly Edit[]): Address | null {
  const last = edits.findLast((edit) => edit.kind === "set-sender");
  return last ? last.sender : sender;
}
