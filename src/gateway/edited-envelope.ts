import type { Address } from "../mail/address.ts";
import type { Envelope, EnvelopeRecipient } from "../mail/envelope.ts";
import type { Decision } from "../pipeline/decision.ts";
import { type Edit, recipientAfter, senderAfter } from "../pipeline/edit.ts";
import { encodeXtext } from "../smtp/esmtp-arguments.ts";
import type { Ruled } from "./fold.ts";
import type { Transaction } from "./session-state.ts";

/**
 * What the next server is told, after the edits of the stages. Without edits it is the envelope as
 * it was spoken, octet for octet (threats.md P6). All of `group` have the sender that `decision`
 * says.
 */
export function editedEnvelope(
  { sender: spoken, mail }: Transaction,
  group: readonly Ruled[],
  { edits }: Decision,
): Envelope {
  const sender = senderAfter(spoken, edits);
  const recipients = group.map(toRouted);
  const isOther = spoken !== null && sender?.spoken !== spoken.spoken;
  return { sender, recipients, mail, ...(isOther && { origin: spoken }) };
}

/** RFC 3461 5.1: who rewrites a recipient keeps the original, for the words of later bounces. */
function toRouted({ recipient, decision }: Ruled): EnvelopeRecipient {
  const { address, orcpt } = recipient;
  const routed = recipientAfter(address, decision.edits);
  if (routed === address) return recipient;
  const isAscii = !/[^\x21-\x7e]/.test(address.spoken);
  const original = orcpt ?? (isAscii ? `rfc822;${encodeXtext(address.spoken)}` : undefined);
  const named = original === undefined ? {} : { orcpt: original };
  return { ...recipient, address: routed, origin: address, ...named };
}

/** What a server said of a recipient, for the client: he knows him by the name that he spoke. */
export function asSpoken(text: string, recipient: Address, edits: readonly Edit[]): string {
  const routed = recipientAfter(recipient, edits);
  return routed === recipient ? text : text.replaceAll(routed.spoken, recipient.spoken);
}
