import type { MailFacts } from "../../pipeline/stage.ts";

/** Whose rate a transaction counts for. Plain JSON. */
export interface SenderIdentity {
  /**
   * `user` where a password was given: a stolen account changes its sender, not its name. `client`
   * for the null sender, which belongs to nobody.
   */
  readonly by: "user" | "sender" | "client";
  /** Lower case, domains as A-labels: `Alice@` and `alice@` are one sender. */
  readonly name: string;
}

/** Null for mail without permission to relay: what a stranger says of its sender proves nothing. */
export function senderIdentity({
  relay,
  sender,
  client,
}: Pick<MailFacts, "relay" | "sender" | "client">): SenderIdentity | null {
  if (relay === null) return null;
  if (relay.by === "password") return { by: "user", name: relay.user.toLowerCase() };
  if (sender === null) return { by: "client", name: client.ip };
  return { by: "sender", name: `${sender.localPart.toLowerCase()}@${sender.domain}` };
}
