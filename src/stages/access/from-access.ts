import { senderIdentities } from "../../auth/sender-identities.ts";
import { mentionedInFrom, readAuthor } from "../../mail/author.ts";
import { defineStage, type Stage } from "../../pipeline/stage.ts";
import { type Finding, NEUTRAL, type Verdict } from "../../pipeline/verdict.ts";
import { type AccessOptions, accessOptions } from "./access-options.ts";
import type { ExceptionServices } from "./exception-book.ts";
import type { SenderEntry, SenderSubject } from "./sender-entries.ts";
import { NO_RULING, type Ruling, toRuling, trust, trustEnvelope } from "./sender-ruling.ts";
import { strongestSenders, toFinding } from "./strongest-entry.ts";

type Mailbox = { readonly localPart: string; readonly domain: string };

/** The author in From; null: nobody can say who it is, only who is named there. */
export type FromAccessEvidence = {
  readonly author: Mailbox | null;
  /** Of a malformed From: whom some reader may take for its author. */
  readonly mentioned: readonly Mailbox[];
  /** What operators made by command for all of them; absent in evidence of earlier versions. */
  readonly entries?: {
    readonly from: readonly SenderEntry[];
    readonly mail: readonly SenderEntry[];
    /** For each of `mentioned`. */
    readonly mentioned: readonly (readonly SenderEntry[])[];
  };
};

/** A look-up in memory. */
const TIMEOUT_MS = 1000;

/**
 * Senders that `access.yaml` blocks or allows, by From and once more by MAIL FROM. An allow entry
 * counts only when SPF or DKIM passed for the domain, or one it is within; else the next entry does.
 * A malformed From allows nobody, and is blocked for anybody who is named in it.
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

  async observe({ message: { headers }, sender, receivedAt }, _options, { exceptions }) {
    const read = readAuthor(headers);
    const author =
      read.kind === "mailbox" ? { localPart: read.localPart, domain: read.domain } : null;
    const mentioned = author ? [] : mentionedInFrom(headers);
    const book = await exceptions.current();
    const find = (one: SenderSubject | null) => (one ? book.findSender(one, receivedAt) : []);
    const entries = { from: find(author), mail: find(sender), mentioned: mentioned.map(find) };
    return { author, mentioned, entries };
  },

  judge({ author, mentioned, entries }, options, { sender, receivedAt, reports }): Verdict {
    const identities = senderIdentities(reports);
    const entriesFor = (subject: SenderSubject, made: readonly SenderEntry[] = []) =>
      strongestSenders(options.findSender(subject, receivedAt), made, receivedAt);
    const rule = (subject: SenderSubject | null, made?: readonly SenderEntry[]) =>
      subject === null ? NO_RULING : toRuling(entriesFor(subject, made), subject, identities);
    const from = rule(author, entries?.from);
    const mail = rule(sender, entries?.mail);
    const named = mentioned.map((one, i) => entriesFor(one, entries?.mentioned[i])[0]);
    const blocked = [from.entry, ...named, mail.entry].find((entry) => entry?.list === "block");
    if (blocked)
      return {
        kind: "reject",
        cause: "sender-denied",
        findings: [toFinding("SENDER_BLOCKED", blocked.match, blocked)],
      };
    return toTrust(from, mail) ?? toNeutral(unproven(from, mail));
  },
});

/** Null: nobody who was allowed, or nothing that his entry could excuse. */
function toTrust(from: Ruling, mail: Ruling): Verdict | null {
  if (from.entry) return trust(from.entry, from.entry.scope);
  const verdict = mail.entry && trustEnvelope(mail.entry);
  if (!verdict) return null;
  return { ...verdict, findings: [...verdict.findings, ...unproven(from, NO_RULING)] };
}

/** Once: From and MAIL FROM are mostly the same. */
function unproven(from: Ruling, mail: Ruling): readonly Finding[] {
  return [...from.unproven, ...mail.unproven].slice(0, 1);
}

function toNeutral(findings: readonly Finding[]): Verdict {
  return findings.length === 0 ? NEUTRAL : { kind: "neutral", findings };
}
