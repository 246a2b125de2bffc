import { createHash } from "node:crypto";
import { judgedEvidence } from "../../auth/sender-identities.ts";
import type { SpfCheck } from "../../auth/spf/check-spf.ts";
import type { RcptFacts } from "../../pipeline/stage.ts";
import { toNetworkSubject } from "../../reputation/subjects.ts";

/** Whom the greylist remembers. Plain JSON. */
export type GreylistParty = {
  /** `spf`: a domain whose SPF passes, whichever of its servers comes; else the /24 or /48. */
  readonly by: "spf" | "network";
  readonly name: string;
  readonly sender: string;
  readonly recipient: string;
};

/**
 * A pool of servers that tries again from another address is one party: by the domain that permits
 * them all, else as far as they stand in one network.
 */
export function greylistParty({ client, sender, recipient, reports }: PartyFacts): GreylistParty {
  const spf = judgedEvidence(reports, "spf") as unknown as SpfCheck | null;
  const domain = spf?.result === "pass" ? spf.domain.toLowerCase().replace(/\.$/, "") : null;
  return {
    by: domain === null ? "network" : "spf",
    name: domain ?? toNetworkSubject(client.ip)?.key ?? client.ip,
    sender: sender === null ? "" : `${steadyPart(sender.localPart)}@${sender.domain}`,
    recipient: `${recipient.localPart.toLowerCase()}@${recipient.domain}`,
  };
}

type PartyFacts = Pick<RcptFacts, "client" | "sender" | "recipient" | "reports">;

/**
 * What stays the same when a sender writes a number or a tag into each message's return path (VERP,
 * BATV): else every one of its messages would be a new party's.
 */
function steadyPart(localPart: string): string {
  return localPart
    .toLowerCase()
    .replace(/^prvs=[0-9a-f]+=/, "")
    .replace(/\+.*$/, "")
    .replace(/\d+/g, "#");
}

/** Of one length, so that no sender makes a store keep his poems. */
export function greylistKey({ by, name, sender, recipient }: GreylistParty): string {
  const text = JSON.stringify([by, name, sender, recipient]);
  return createHash("sha256").update(text).digest("base64url").slice(0, KEY_LENGTH);
}

/** 144 bits. */
const KEY_LENGTH = 24;
