import type { EnvelopeRecipient } from "../../mail/envelope.ts";
import { foldHeader } from "../../mail/fold-header.ts";
import { toMailDate } from "../../mail/mail-date.ts";
import { isInnerIp, parseIp } from "../../net/ip.ts";
import { formatRemoteReply } from "../../smtp/client-reply.ts";
import { decodeXtext } from "../../smtp/esmtp-arguments.ts";
import type { RemoteReply } from "../../smtp/smtp-client.ts";
import type { BounceKind } from "../../spool/spool.ts";
import type { Leg } from "../relay.ts";
import type { BounceFacts } from "./bounce.ts";
import { isAscii, printable, toAscii, toWords } from "./bounce-text.ts";
import type { Told } from "./told.ts";

/** The part that programs read (RFC 3464 2). */
export function statusReport(
  kind: BounceKind,
  leg: Leg,
  told: readonly Told[],
  facts: BounceFacts,
): readonly string[] {
  const { envid } = leg.envelope.mail;
  const isForeign = told.some(({ recipient }) => !isAscii(recipient.address.spoken));
  const encoding = isForeign ? ["Content-Transfer-Encoding: 8bit"] : [];
  return [
    `Content-Type: message/${isForeign ? "global-delivery-status" : "delivery-status"}`,
    ...encoding,
    "",
    `Reporting-MTA: dns; ${facts.hostname}`,
    ...(envid === undefined ? [] : [`Original-Envelope-Id: ${toAscii(decodeXtext(envid))}`]),
    `Arrival-Date: ${toMailDate(leg.receivedAt)}`,
    "",
    ...told.flatMap((one) => [...aboutOne(kind, one, facts), ""]),
  ];
}

function aboutOne(kind: BounceKind, told: Told, facts: BounceFacts): readonly string[] {
  const { recipient, hub, reply } = told;
  const { spoken } = recipient.address;
  const host = hub === null ? null : toHostName(hub);
  return [
    ...originalRecipient(recipient),
    `Final-Recipient: ${isAscii(spoken) ? "rfc822" : "utf-8"}; ${printable(spoken)}`,
    `Action: ${kind}`,
    `Status: ${toStatus(kind, reply)}`,
    ...(host === null ? [] : [`Remote-MTA: dns; ${host}`]),
    foldHeader("Diagnostic-Code", diagnosis(told)).trimEnd(),
    `Last-Attempt-Date: ${toMailDate(facts.now)}`,
    ...(kind === "delayed" ? [`Will-Retry-Until: ${toMailDate(facts.retryUntil)}`] : []),
  ];
}

function originalRecipient({ orcpt }: EnvelopeRecipient): readonly string[] {
  if (orcpt === undefined) return [];
  // RFC 3464 2.3.1: without the xtext of the envelope.
  return [`Original-Recipient: ${toAscii(decodeXtext(orcpt)).replace(";", "; ")}`];
}

/** RFC 3464 2.3.6: `smtp` only for what a server said. */
function diagnosis({ reply, last }: Told): string {
  const said = reply.isOurs ? last : reply;
  if (said) return `smtp; ${toWords(formatRemoteReply(said))}`;
  return `X-Postern; ${toWords(formatRemoteReply(reply))}`;
}

/**
 * RFC 3463: what failed for good is class 5, or 4.4.7 for a message whose time is over; what waits
 * is class 4; what was passed on is class 2.
 */
function toStatus(kind: BounceKind, { code, status }: RemoteReply): string {
  const digit = { failed: code >= 500 ? "5" : "4", delayed: "4", relayed: "2" }[kind];
  return status?.startsWith(digit) ? status : `${digit}.0.0`;
}

/** RFC 3464 2.1.2: a name, or an address literal. Null: servers of the inside are not told of. */
function toHostName(hub: string): string | null {
  const host = toAscii(hub.replace(/:\d+$/, "")).replace(/^\[(.*)\]$/, "$1");
  const ip = parseIp(host);
  if (ip) return isInnerIp(ip) ? null : `[${ip.family === 6 ? "IPv6:" : ""}${ip.text}]`;
  return INNER_NAME.test(host) ? null : host;
}

/** One label, or a name that means nothing elsewhere (RFC 6762, 8375, ICANN's `internal`). */
const INNER_NAME = /^[^.]*$|\.(?:local|localhost|localdomain|internal|lan|home\.arpa)\.?$/i;
