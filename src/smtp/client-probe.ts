import type { Address } from "../mail/address.ts";
import type { Envelope } from "../mail/envelope.ts";
import { isSpeakable, toMailCommand, toRcptCommand } from "./client-commands.ts";
import { formatRemoteReply, localReply } from "./client-reply.ts";
import type { ClientSession } from "./client-session.ts";
import type { ClientTimes } from "./client-times.ts";
import { toFate } from "./client-transaction.ts";
import type { RecipientFate, RemoteCapabilities } from "./smtp-client.ts";

/** Bad sequence, unknown command: the server speaks of the dialogue, not of the recipient. */
const DIALOGUE_FAULTS: ReadonlySet<number> = new Set([500, 502, 503, 504]);

export type ProbeOutcome = RecipientFate | { readonly kind: "unsent"; readonly reason: string };

/** MAIL, RCPT, RSET. Never throws. A refused sender says nothing about the recipient. */
export async function runProbe(
  session: ClientSession,
  capabilities: RemoteCapabilities,
  times: ClientTimes,
  sender: Address | null,
  recipient: Address,
): Promise<ProbeOutcome> {
  if (!isSpeakable(recipient)) return unspeakable();
  const recipients = [{ address: recipient }];
  const envelope: Envelope = { sender, recipients, mail: { body: "7bit", smtputf8: false } };
  // Without SIZE: we do not know one, and 0 could be refused as odd.
  const mailLine = toMailCommand(envelope, 0, { ...capabilities, sizeOffered: false });
  const mail = await session.exchange(mailLine, times.mailMs);
  if (mail.kind === "lost") return { kind: "unsent", reason: mail.reason };
  if (toFate(mail.reply).kind !== "accepted") {
    await session.exchange("RSET", times.resetMs);
    return { kind: "unsent", reason: `sender refused: ${formatRemoteReply(mail.reply)}` };
  }
  const rcpt = await session.exchange(
    toRcptCommand({ address: recipient }, capabilities),
    times.rcptMs,
  );
  if (rcpt.kind === "lost") return { kind: "unsent", reason: rcpt.reason };
  await session.exchange("RSET", times.resetMs);
  if (DIALOGUE_FAULTS.has(rcpt.reply.code)) {
    return { kind: "unsent", reason: formatRemoteReply(rcpt.reply) };
  }
  return toFate(rcpt.reply);
}

function unspeakable(): ProbeOutcome {
  return { kind: "refused", reply: localReply(553, "5.1.3", "address cannot be spoken in SMTP") };
}
