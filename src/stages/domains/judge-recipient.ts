import type { RcptFacts } from "../../pipeline/stage.ts";
import type { Finding, Verdict } from "../../pipeline/verdict.ts";
import type { AcceptedDomain, RecipientList } from "../../policy/snapshot.ts";
import type { ProbeAnswer } from "./recipient-probe.ts";

/** Whether a recipient of a domain of ours exists, by what we know of him. */
export function judgeKnown(
  { recipient, receivedAt }: Pick<RcptFacts, "recipient" | "receivedAt">,
  domain: AcceptedDomain,
  probe: ProbeAnswer | null,
): Verdict {
  const { recipients } = domain;
  switch (recipients.kind) {
    case "any":
      return passed();
    case "list":
      if (recipients.find(recipient.localPart, recipient.domain) !== "no") return passed();
      return judgeUnlisted(recipients, domain, receivedAt);
    case "call-out":
      if (probe !== null) return judgeProbe(probe);
      return { kind: "unknown", missing: ["the hub's answer to a call-out"], findings: [] };
  }
}

function judgeUnlisted(list: RecipientList, domain: AcceptedDomain, receivedAt: number): Verdict {
  const detail = `not in ${list.from}`;
  // Some of the domain's people live on a server behind the hub, which knows them.
  if (domain.type === "internal-relay") return passed({ symbol: "RECIPIENT_UNLISTED", detail });
  const { age } = list;
  if (!age || receivedAt <= age.freshUntil)
    return {
      kind: "reject",
      cause: "recipient-unknown",
      findings: [toFinding({ symbol: "RECIPIENT_UNKNOWN", detail })],
    };
  const made = new Date(age.madeAt).toISOString();
  const stale = { symbol: "RECIPIENT_LIST_STALE", detail: `${detail}, which is of ${made}` };
  if (age.stale === "accept") return passed(stale);
  return { kind: "defer", cause: "recipient-unverified", findings: [toFinding(stale)] };
}

function judgeProbe({ kind, reply }: ProbeAnswer): Verdict {
  const detail = `hub: ${reply ?? kind}`;
  const unverified = { symbol: "RECIPIENT_UNVERIFIED", detail };
  switch (kind) {
    case "accepted":
      return passed();
    case "refused": {
      const findings = [toFinding({ symbol: "RECIPIENT_UNKNOWN", detail })];
      return { kind: "reject", cause: "recipient-unknown", ...aboutRefusal(reply), findings };
    }
    case "later": {
      const about = reply === undefined ? {} : { about: { hub: reply } };
      return {
        kind: "defer",
        cause: "recipient-unverified",
        ...about,
        findings: [toFinding(unverified)],
      };
    }
    case "limited": {
      // Taken unseen, a harvest would fill the spool with mail that nobody can deliver; a true sender
      // comes again.
      const findings = [
        toFinding({ symbol: "RECIPIENT_UNVERIFIED", detail: "too many call-outs" }),
      ];
      return { kind: "defer", cause: "recipient-unverified", findings };
    }
    case "unknown":
      // A hub that is away must not stop mail: it is spooled, and the hub answers after all.
      return passed(unverified);
  }
}

/**
 * Whoever guesses must not learn from the hub's words which of two unknown addresses is which
 * (threats.md P11): they are passed on only when they say that something else is the matter, such as
 * a full mailbox (5.2.2).
 */
function aboutRefusal(reply: string | undefined): { readonly about?: { readonly hub: string } } {
  if (reply === undefined || !/^\d{3} 5\.(?!1\.)\d/.test(reply)) return {};
  return { about: { hub: reply } };
}

type Mark = Pick<Finding, "symbol" | "detail">;

function passed(mark?: Mark): Verdict {
  return { kind: "neutral", findings: mark ? [toFinding(mark)] : [] };
}

function toFinding(mark: Mark): Finding {
  return { ...mark, score: 0 };
}
