import { passesFor, type SenderIdentity, senderIdentities } from "../../auth/sender-identities.ts";
import { mentionedInFrom, readAuthor } from "../../mail/author.ts";
import { isWithin } from "../../mail/domain-name.ts";
import { defineStage, type Stage } from "../../pipeline/stage.ts";
import { type Finding, NEUTRAL, type Verdict } from "../../pipeline/verdict.ts";
import { type AccessOptions, accessOptions } from "./access-options.ts";
import type { SenderEntry, SenderSubject } from "./sender-entries.ts";

type Mailbox = { readonly localPart: string; readonly domain: string };

/** The author in From; null: nobody can say who it is, only who is named there. */
export type FromAccessEvidence = {
  readonly author: Mailbox | null;
  /** Of a malformed From: whom some reader may take for its author. */
  readonly mentioned: readonly Mailbox[];
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
 * A malformed From allows nobody, and is blocked for anybody who is named in it.
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

  async observe({ message: { headers } }) {
    const author = readAuthor(headers);
    if (author.kind !== "mailbox") return { author: null, mentioned: mentionedInFrom(headers) };
    const { localPart, domain } = author;
    return { author: { localPart, domain }, mentioned: [] };
  },

  judge({ author, mentioned }, options, { sender, receivedAt, reports }): Verdict {
    const identities = senderIdentities(reports);
    const entriesFor = (subject: SenderSubject) => options.findSender(subject, receivedAt);
    const rule = (subject: SenderSubject | null) =>
      subject === null ? NOTHING : toRuling(entriesFor(subject), subject, identities);
    const from = rule(author);
    const mail = rule(sender);
    const named = mentioned.map((one) => entriesFor(one)[0]);
    const blocked = [from.entry, ...named, mail.entry].find((entry) => entry?.list === "block");
    if (blocked)
      return {
        kind: "reject",
        cause: "sender-denied",
        findings: [toFinding("SENDER_BLOCKED", blocked)],
      };
    return toTrust(from, mail) ?? toNeutral(unproven(from, mail));
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

/** Null: nobody who was allowed, or nothing that his entry could excuse. */
function toTrust(from: Ruling, mail: Ruling): Verdict | null {
  if (from.entry) return trust(from.entry, from.entry.scope);
  const { entry } = mail;
  if (!entry) return null;
  const scope = ENVELOPE_STAGES.filter((name) => entry.scope?.includes(name) ?? true);
  if (scope.length === 0) return null;
  const verdict = trust(entry, scope);
  return { ...verdict, findings: [...verdict.findings, ...unproven(from, NOTHING)] };
}

function trust(entry: SenderEntry, scope: readonly string[] | undefined): Verdict {
  return { kind: "trust", ...(scope && { scope }), findings: [toFinding("SENDER_ALLOWED", entry)] };
}

/** Once: From and MAIL FROM are mostly the same. */
function unproven(from: Ruling, mail: Ruling): readonly Finding[] {
  return [...from.unproven, ...mail.unproven].slice(0, 1);
}

function toNeutral(findings: readonly Finding[]): Verdict {
  return findings.length === 0 ? NEUTRAL : { kind: "neutral", findings };
}

function toFinding(symbol: string, { match, reason }: SenderEntry): Finding {
  return { symbol, score: 0, detail: `${match}: ${reason}` };
}
