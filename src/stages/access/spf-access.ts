import { senderIdentities } from "../../auth/sender-identities.ts";
import { defineStage, type Stage } from "../../pipeline/stage.ts";
import { NEUTRAL } from "../../pipeline/verdict.ts";
import { type AccessOptions, accessOptions } from "./access-options.ts";
import type { ExceptionServices } from "./exception-book.ts";
import type { SenderAccessEvidence } from "./sender-access.ts";
import { toRuling, trustEnvelope } from "./sender-ruling.ts";
import { strongestSenders } from "./strongest-entry.ts";

/** As of the stage `access`. */
const TIMEOUT_MS = 1000;

/**
 * Allowed senders whom SPF proves already at MAIL FROM, so that lists, reputation and greylisting
 * do not refuse them at RCPT. Whom only DKIM proves must wait for the message: from-access.
 */
export const spfAccessStage: Stage<"mail", ExceptionServices> = defineStage<
  "mail",
  AccessOptions,
  SenderAccessEvidence,
  ExceptionServices
>({
  name: "spf-access",
  phase: "mail",
  timeoutMs: TIMEOUT_MS,
  onFailure: "open",
  trustable: false,
  canTrust: true,
  concerns: "strangers",
  judges: "origin",
  precedes: ["reputation"],
  file: "access",
  options: accessOptions,

  async observe({ sender, receivedAt }, _options, { exceptions }) {
    if (sender === null) return { entries: [] };
    return { entries: (await exceptions.current()).findSender(sender, receivedAt) };
  },

  judge(evidence, options, { sender, receivedAt, reports }) {
    if (sender === null) return NEUTRAL;
    const file = options.findSender(sender, receivedAt);
    const entries = strongestSenders(file, evidence?.entries ?? [], receivedAt);
    const spf = senderIdentities(reports).filter(({ method }) => method === "spf");
    const { entry } = toRuling(entries, sender, spf);
    if (entry?.list !== "allow") return NEUTRAL;
    return trustEnvelope(entry) ?? NEUTRAL;
  },
});
