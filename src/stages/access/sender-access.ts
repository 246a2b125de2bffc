import { defineStage, type Stage } from "../../pipeline/stage.ts";
import { NEUTRAL } from "../../pipeline/verdict.ts";
import { type AccessOptions, accessOptions } from "./access-options.ts";
import type { ExceptionServices } from "./exception-book.ts";
import type { SenderEntry } from "./sender-entries.ts";
import { strongestSenders, toFinding } from "./strongest-entry.ts";

/** What operators made by command for this sender; null in evidence of earlier versions. */
export type SenderAccessEvidence = { readonly entries: readonly SenderEntry[] } | null;

/** As of the stage `access`. */
const TIMEOUT_MS = 1000;

/**
 * MAIL FROM addresses and domains that the operator blocked. An entry that allows waits until it is
 * known whether the sender is who he says. The null sender is blocked by nothing: bounces and receipts
 * of everybody come from it (RFC 5321 4.5.5).
 */
export const senderAccessStage: Stage<"mail", ExceptionServices> = defineStage<
  "mail",
  AccessOptions,
  SenderAccessEvidence,
  ExceptionServices
>({
  name: "sender-access",
  phase: "mail",
  timeoutMs: TIMEOUT_MS,
  onFailure: "open",
  trustable: false,
  concerns: "strangers",
  file: "access",
  options: accessOptions,

  // Sender and time are facts, so a replay uses the lists of its own policy.
  async observe({ sender, receivedAt }, _options, { exceptions }) {
    const book = sender === null ? null : await exceptions.current();
    return { entries: sender === null ? [] : (book?.findSender(sender, receivedAt) ?? []) };
  },

  judge(evidence, options, { sender, receivedAt }) {
    if (sender === null) return NEUTRAL;
    const file = options.findSender(sender, receivedAt);
    const [entry] = strongestSenders(file, evidence?.entries ?? [], receivedAt);
    if (entry?.list !== "block") return NEUTRAL;
    const findings = [toFinding("SENDER_BLOCKED", entry.match, entry)];
    return { kind: "reject", cause: "sender-denied", findings };
  },
});
