import { passesFor, senderIdentities } from "../../auth/sender-identities.ts";
import { isWithin } from "../../mail/domain-name.ts";
import { prefixKey } from "../../net/ip.ts";
import type { ConnectFacts, MailFacts, RcptFacts } from "../../pipeline/stage.ts";
import { toNetworkSubject } from "../../reputation/subjects.ts";
import type { RateSubject } from "./rate-options.ts";

/** What each subject is called in its bucket; null: there is none. */
export function rateName(
  by: RateSubject,
  facts: ConnectFacts & Partial<Pick<RcptFacts, "sender" | "recipient">>,
): string | null {
  switch (by) {
    case "client":
      return prefixKey(facts.client.ip);
    case "network":
      return toNetworkSubject(facts.client.ip)?.key ?? null;
    case "sender":
      return facts.sender ? provenSender(facts.sender, facts.reports) : null;
    case "recipientDomain":
      return facts.recipient?.domain || null;
  }
}

/**
 * Only a sender whom SPF vouches for: else anybody could use up the rate of somebody else by writing
 * his address into MAIL FROM.
 */
function provenSender(
  sender: NonNullable<MailFacts["sender"]>,
  reports: ConnectFacts["reports"],
): string | null {
  const isProven = passesFor(senderIdentities(reports), (domain) =>
    isWithin(sender.domain, domain),
  );
  return isProven ? `${sender.localPart.toLowerCase()}@${sender.domain}` : null;
}
