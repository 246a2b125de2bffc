import { senderIdentities } from "../../auth/sender-identities.ts";
import { readAuthor } from "../../mail/author.ts";
import { defineStage, type Stage } from "../../pipeline/stage.ts";
import { NEUTRAL, type Verdict } from "../../pipeline/verdict.ts";
import { type AccessOptions, accessOptions } from "./access-options.ts";
import type { ExceptionServices } from "./exception-book.ts";
import type { SenderEntry, SenderSubject } from "./sender-entries.ts";
import { NO_RULING, toRuling, trust, trustEnvelope } from "./sender-ruling.ts";
import { strongestSenders, toFinding } from "./strongest-entry.ts";

/** The author in From; null: nobody can say who it is. */
export type FromAccessEvidence = {
  readonly author: { readonly localPart: string; readonly domain: string } | null;
  /** What operators made by command for both; absent in evidence of earlier versions. */
  readonly entries?: {
    readonly from: readonly SenderEntry[];
    readonly mail: readonly SenderEntry[];
  };
};

/** A look-up in memory. */
const TIMEOUT_MS = 1000;

/**
 * Senders that `access.yaml` blocks or allows, by From and once more by MAIL FROM. An allow entry
 * counts only when SPF or DKIM passed for the domain, or one it is within; else the next entry does.
 */
export const fromAccessStage: Stage<"data", ExceptionServices> = defineStage<
  "data",
  AccessOptions,
  FromAccessEvidence,
  ExceptionServices
>({
  name: "from-access",
  phase: "data",
  timeoutMs: TIMEOUT_MS,
  onFailure: "open",
  trustable: false,
  canTrust: true,
  concerns: "strangers",
  file: "access",
  options: accessOptions,

  async observe({ message, sender, receivedAt }, _options, { exceptions }) {
    const read = readAuthor(message.headers);
    const author =
      read.kind === "mailbox" ? { localPart: read.localPart, domain: read.domain } : null;
    const book = await exceptions.current();
    const find = (one: SenderSubject | null) => (one ? book.findSender(one, receivedAt) : []);
    return { author, entries: { from: find(author), mail: find(sender) } };
  },

  judge({ author, entries }, options, { sender, receivedAt, reports }): Verdict {
    const identities = senderIdentities(reports);
    const rule = (subject: SenderSubject | null, made: readonly SenderEntry[] = []) => {
      if (subject === null) return NO_RULING;
      const file = options.findSender(subject, receivedAt);
      return toRuling(strongestSenders(file, made, receivedAt), subject, identities);
    };
    const rulings = { from: rule(author, entries?.from), mail: rule(sender, entries?.mail) };
    const findings = [...rulings.from.unproven, ...rulings.mail.unproven].slice(0, 1);
    const blocked = [rulings.from.entry, rulings.mail.entry].find(
      (entry) => entry?.list === "block",
    );
    if (blocked)
      return {
        kind: "reject",
        cause: "sender-denied",
        findings: [toFinding("SENDER_BLOCKED", blocked.match, blocked)],
      };
    if (rulings.from.entry) return trust(rulings.from.entry, rulings.from.entry.scope);
    const { entry } = rulings.mail;
    if (!entry) return findings.length === 0 ? NEUTRAL : { kind: "neutral", findings };
    return trustEnvelope(entry) ?? NEUTRAL;
  },
});
