import { defineStage, type Stage } from "../../pipeline/stage.ts";
import { NEUTRAL } from "../../pipeline/verdict.ts";
import { type AccessOptions, accessOptions } from "./access-options.ts";

/** A look-up in memory. */
const TIMEOUT_MS = 1000;

/**
 * MAIL FROM addresses and domains that the operator blocked in `access.yaml`. An entry that allows
 * waits for the data phase: only then is known whether the sender is who he says. The null sender is
 * blocked by nothing: bounces and receipts of everybody come from it (RFC 5321 4.5.5).
 */
export const senderAccessStage: Stage<"mail", unknown> = defineStage<
  "mail",
  AccessOptions,
  null,
  unknown
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
  observe: async () => null,

  judge(_evidence, options, { sender, receivedAt }) {
    if (sender === null) return NEUTRAL;
    const [entry] = options.findSender(sender, receivedAt);
    if (entry?.list !== "block") return NEUTRAL;
    const detail = `${entry.match}: ${entry.reason}`;
    const findings = [{ symbol: "SENDER_BLOCKED", score: 0, detail }];
    return { kind: "reject", cause: "sender-denied", findings };
  },
});
