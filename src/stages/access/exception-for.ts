import { judgedEvidence, passesFor, senderIdentities } from "../../auth/sender-identities.ts";
import { parseMailbox } from "../../mail/address.ts";
import { isWithin } from "../../mail/domain-name.ts";
import type { TransactionRecord } from "../../pipeline/facts.ts";
import type { StageReport } from "../../pipeline/report.ts";
import { isRefusing } from "../../pipeline/verdict.ts";
import type { FromAccessEvidence } from "./from-access.ts";
import { ENVELOPE_STAGES } from "./sender-ruling.ts";
import type { NewException } from "./stored-exception.ts";

export type ExceptionProposal =
  | {
      readonly kind: "proposed";
      readonly whom: Pick<NewException, "client" | "sender">;
      /** Of an allow entry: the checks that spoke against the message. */
      readonly scope?: readonly string[];
    }
  | { readonly kind: "refused"; readonly reason: string };

/**
 * The narrowest exception that would have changed the fate of a message: for the sender where SPF or
 * DKIM proves him, who is in From before who is in MAIL FROM, else for the client's address. Never for
 * what nobody may be let past.
 */
export function exceptionFor(
  record: TransactionRecord,
  list: NewException["list"],
): ExceptionProposal {
  if (list === "block") return { kind: "proposed", whom: whomOf(record, []) };
  const decided = record.reports.find(
    ({ stage, verdict }) => stage === record.stage && isRefusing(verdict),
  );
  const held = record.reports.find((report) => isAgainst(report) && isMalware(report));
  const final = held ?? (decided && !decided.trustable ? decided : null);
  if (final) {
    const reason = `stage ${final.stage} refused it, and nobody is let past that`;
    return { kind: "refused", reason };
  }
  const scope = [
    ...new Set(
      record.reports.filter((one) => one.trustable && isAgainst(one)).map(({ stage }) => stage),
    ),
  ];
  if (scope.length > 0) return { kind: "proposed", whom: whomOf(record, scope), scope };
  return { kind: "refused", reason: "no spam check spoke against it: there is nothing to lift" };
}

function isAgainst({ verdict, outcome }: StageReport): boolean {
  if (outcome !== "judged") return false;
  return isRefusing(verdict) || verdict.findings.some(({ score }) => score > 0);
}

function isMalware({ verdict }: StageReport): boolean {
  return isRefusing(verdict) && verdict.cause === "malware";
}

function whomOf(
  { reports, sender, client, origin, message }: TransactionRecord,
  scope: readonly string[],
): Pick<NewException, "client" | "sender"> {
  const identities = senderIdentities(reports);
  const isProven = (domain: string, by: typeof identities) =>
    passesFor(by, (one) => isWithin(domain, one));
  const author = authorOf(reports);
  // Before the message came, only SPF had a say: refused at RCPT he would be refused again.
  const isEarly = message === null || scope.some((name) => EARLY.includes(name));
  const spf = identities.filter(({ method }) => method === "spf");
  const envelope = parseMailbox(sender);
  if (!isEarly && author && isProven(author.domain, identities))
    return { sender: { addresses: [`${author.localPart}@${author.domain}`] } };
  const fits = scope.every((name) => ENVELOPE_STAGES.includes(name));
  if (envelope && fits && isProven(envelope.domain, spf))
    return { sender: { addresses: [envelope.spoken] } };
  if (author && isProven(author.domain, identities))
    return { sender: { addresses: [`${author.localPart}@${author.domain}`] } };
  // Of mail that a trusted relay brought: whom it had it from.
  return { client: origin?.ip ?? client.ip };
}

/** Checks that may refuse before the message comes, as shipped or with one word in the policy. */
const EARLY: readonly string[] = ENVELOPE_STAGES.filter(
  (name) => !["spf", "sender-domain", "reverse-dns"].includes(name),
);

function authorOf(reports: readonly StageReport[]): FromAccessEvidence["author"] {
  const evidence = judgedEvidence(reports, "from-access") as FromAccessEvidence | null;
  return evidence?.author ?? null;
}
