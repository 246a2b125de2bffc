import { type EnvelopeRecipient, spokenRecipient } from "../../mail/envelope.ts";
import { formatRemoteReply, localReply } from "../../smtp/client-reply.ts";
import type { RemoteReply } from "../../smtp/smtp-client.ts";

/** A recipient of whom a bounce tells, or would tell if the sender may be told. */
export interface Told {
  readonly recipient: EnvelopeRecipient;
  /** host:port of the hub that was asked last; null when none was. */
  readonly hub: string | null;
  /** The last word about him. */
  readonly reply: RemoteReply;
  /** Where that is a word of ours: what the hub itself said last. */
  readonly last?: RemoteReply;
  /** Why no hub said anything. Names servers of the inside, and is not for the sender. */
  readonly reason?: string;
}

/** Of one about whom nobody said yes or no (RFC 3463: 4.4.1, no answer from the host). */
export const UNANSWERED: RemoteReply = localReply(451, "4.4.1", "The next server did not answer");

/** Of one whose time is over (RFC 3463 X.4.7). */
export const EXPIRED: RemoteReply = localReply(451, "4.4.7", "Delivery time expired");

/** As far as the sender may know. */
export function wordsFor({ reply, last }: Told): string {
  return inWords(reply, last && formatRemoteReply(last));
}

/** For facts and the administrator. */
export function describeTold(told: readonly Told[]): string {
  const words = told.map(({ recipient, reply, last, reason }) => {
    const more = last ? formatRemoteReply(last) : reason;
    return `${recipient.address.spoken}: ${inWords(reply, more)}`;
  });
  return words.join("; ");
}

function inWords(reply: RemoteReply, last: string | undefined): string {
  const words = formatRemoteReply(reply);
  return last === undefined ? words : `${words}; the last answer was: ${last}`;
}

/** The one hub that all of it is about. */
export function hubOf(told: readonly Told[]): string | null {
  const [first] = told;
  return first && told.every(({ hub }) => hub === first.hub) ? first.hub : null;
}

/**
 * As the sender knows the recipient: whom we put in his place is no matter of his. A server may name
 * in one reply whoever else the message was for (`all`), and may write him with other letters.
 */
export function asSpokenTo(told: Told, all: readonly EnvelopeRecipient[]): Told {
  const { recipient, reply, last } = told;
  const others = [recipient, ...all].flatMap(({ address, origin }) =>
    origin ? [[new RegExp(RegExp.escape(address.spoken), "gi"), origin.spoken] as const] : [],
  );
  if (others.length === 0) return told;
  const hide = (said: RemoteReply): RemoteReply => ({
    ...said,
    text: others.reduce((text, [name, spoken]) => text.replace(name, () => spoken), said.text),
  });
  return {
    ...told,
    recipient: { ...recipient, address: spokenRecipient(recipient) },
    reply: hide(reply),
    ...(last && { last: hide(last) }),
  };
}
