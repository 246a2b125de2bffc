import type { EnvelopeRecipient } from "../mail/envelope.ts";
import { formatRemoteReply, localReply } from "../smtp/client-reply.ts";
import type { RemoteReply } from "../smtp/smtp-client.ts";

/** A recipient of whom a bounce tells, or would tell if the sender may be told. */
export interface Told {
  readonly recipient: EnvelopeRecipient;
  /** host:port of the hub that was asked last; null when none was. */
  readonly hub: string | null;
  /** The last word about him. */
  readonly reply: RemoteReply;
  /** What the hub itself said last, where `reply` is a word of ours. */
  readonly last?: RemoteReply;
}

/** For one whom nobody said yes or no about (RFC 3463: 4.4.1, no answer from the host). */
export function unanswered(reason: string): RemoteReply {
  return localReply(451, "4.4.1", reason);
}

/** For facts and the administrator. */
export function describeTold(told: readonly Told[]): string {
  const words = told.map(
    ({ recipient, reply }) => `${recipient.address.spoken}: ${formatRemoteReply(reply)}`,
  );
  return words.join("; ");
}

/** The one hub that all of it is about. */
export function hubOf(told: readonly Told[]): string | null {
  const [first] = told;
  return first && told.every(({ hub }) => hub === first.hub) ? first.hub : null;
}
