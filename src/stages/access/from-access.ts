import { passesFor, type SenderIdentity, senderIdentities } from "../../auth/sender-identities.ts";
import { readAuthor } from "../../mail/author.ts";
import { isWithin } from "../../mail/domain-name.ts";
import { defineStage, type Stage } from "../../pipeline/stage.ts";
import { type Finding, NEUTRAL, type Verdict } from "../../pipeline/verdict.ts";
import { type AccessOptions, accessOptions } from "./access-options.ts";
import type { SenderEntry, SenderSubject } from "./sender-entries.ts";

/** The author in From; null: nobody can say who it is. */
export type FromAccessEvidence = {
  readonly author: { readonly localPart: string; readonly domain: string } | null;
};

/** A look-up in memory. */
const TIMEOUT_MS = 1000;

/**
 * What a proven MAIL FROM excuses: checks of client and envelope. Whose name stands in From is judged
 * all the same, since its owner was asked nothing.
 */
const ENVELOPE_STAGES: readonly string[] = ["dnsbl", "spf", "sender-domain"];

/**
 * Senders that `access.yaml` blocks or allows, by From and once more by MAIL FROM. An allow entry
 * counts only when SPF or DKIM passed for the domain, or one it is within; else the next entry does.
 */
export const fromAccessStage: Stage<"data", unknown> = defineStage<
  "data",
  AccessOptions,
  FromAccessEvidence,
  unknown
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

  async observe({ message }) {
    const author = readAuthor(message.headers);
    if (author.kind !== "mailbox") return { author: null };
    return { author: { localPart: author.localPart, domain: author.domain } };
  },

  judge({ author }, options, { sender, receivedAt, reports }): Verdict {
    const identities = senderIdentities(reports);
    const rule = (subject: SenderSubject | null) =>
      subject === null
        ? NOTHING
        : toRuling(options.findSender(subject, receivedAt), subject, identities);
    const rulings = { from: rule(author), mail: rule(sender) };
    const findings = [...rulings.from.unproven, ...rulings.mail.unproven].slice(0, 1);
    const blocked = [rulings.from.entry, rulings.mail.entry].find(
      (entry) => entry?.list === "block",
    );
    if (blocked)
      return {
        kind: "reject",
        cause: "sender-denied",
        findings: [toFinding("SENDER_BLOCKED", blocked)],
      };
    if (rulings.from.entry) return trust(rulings.from.entry, rulings.from.entry.scope);
    const { entry } = rulings.mail;
    if (!entry) return findings.length === 0 ? NEUTRAL : { kind: "neutral", findings };
    const scope = ENVELOPE_STAGES.filter((name) => entry.scope?.includes(name) ?? true);
    return scope.length === 0 ? NEUTRAL : trust(entry, scope);
  },
});

interface Ruling {
  /** The entry that counts. */
  readonly entry: SenderEntry | null;
  readonly unproven: readonly Finding[];
}

const NOTHING: Ruling = { entry: null, unproven: [] };

function toRuling(
  entries: readonly SenderEntry[],
  { domain }: SenderSubject,
  identities: readonly SenderIdentity[],
): Ruling {
  const isProven = passesFor(identities, (one) => isWithin(domain, one));
  const entry = entries.find(({ list }) => list === "block" || isProven) ?? null;
  const [first] = entries;
  const isUnproven = first?.list === "allow" && !isProven;
  return { entry, unproven: isUnproven ? [toFinding("SENDER_ALLOWED_UNPROVEN", first)] : [] };
}

function trust(entry: SenderEntry, scope: readonly string[] | undefined): Verdict {
  return { kind: "trust", ...(scope && { scope }), findings: [toFinding("SENDER_ALLOWED", entry)] };
}

function toFinding(symbol: string, { match, reason }: SenderEntry): Finding {
  return { symbol, score: 0, detail: `${match}: ${reason}` };
}
