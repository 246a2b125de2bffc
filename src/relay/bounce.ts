import { type EnvelopeRecipient, returnAddress } from "../mail/envelope.ts";
import { foldHeader } from "../mail/fold-header.ts";
import type { MessageSource } from "../mail/message.ts";
import { formatRemoteReply } from "../smtp/client-reply.ts";
import { decodeXtext } from "../smtp/esmtp-arguments.ts";
import type { RemoteReply } from "../smtp/smtp-client.ts";
import type { Leg } from "./relay.ts";

/** A recipient that will not get the message, and the last word about it. */
export interface Failure {
  readonly recipient: EnvelopeRecipient;
  readonly reply: RemoteReply;
}

export interface BounceFacts {
  /** Ours. */
  readonly hostname: string;
  /** host:port of the hub that refused; null when none answered. */
  readonly hub: string | null;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Of the failed message: its header section as it came, one octet a char. */
  readonly headers: string;
}

/**
 * A delivery status message (RFC 3464) for the sender of a leg: what failed, why, and the headers
 * of the message, never its body. Seven-bit, unless an address itself is international (RFC 6533).
 */
export function toBounce(
  leg: Leg,
  failures: readonly Failure[],
  facts: BounceFacts,
): { readonly source: MessageSource; readonly needs: Leg["needs"] } {
  const sender = returnAddress(leg.envelope);
  const boundary = `=_bounce_${leg.transactionId}`;
  const lines = [
    ...headerLines(leg, sender?.spoken ?? "", facts, boundary),
    "",
    `--${boundary}`,
    ...explanation(leg, failures, facts),
    `--${boundary}`,
    ...statusReport(leg, failures, facts),
    `--${boundary}`,
    "Content-Type: text/rfc822-headers; charset=us-ascii",
    "",
    ...toAsciiLines(facts.headers),
    "",
    `--${boundary}--`,
    "",
  ];
  const bytes = Buffer.from(lines.join("\r\n"));
  const isInternational = bytes.some((octet) => octet > 127);
  return {
    source: toMemorySource(bytes),
    needs: { eightBitMime: isInternational, smtpUtf8: isInternational },
  };
}

function headerLines(
  leg: Leg,
  to: string,
  { hostname, now }: BounceFacts,
  boundary: string,
): readonly string[] {
  const serial = `${leg.transactionId}.${now.toString(36)}`;
  const type = `multipart/report; report-type=delivery-status; boundary="${boundary}"`;
  return [
    `Date: ${toMailDate(now)}`,
    `From: Mail Delivery <postmaster@${hostname}>`,
    `To: <${to}>`,
    "Subject: Your message could not be delivered",
    `Message-ID: <bounce.${serial}@${hostname}>`,
    // RFC 3834 5: so that nobody answers it automatically.
    "Auto-Submitted: auto-replied",
    "MIME-Version: 1.0",
    foldHeader("Content-Type", type).trimEnd(),
  ];
}

function explanation(
  leg: Leg,
  failures: readonly Failure[],
  { hostname }: BounceFacts,
): readonly string[] {
  return [
    "Content-Type: text/plain; charset=utf-8",
    "Content-Transfer-Encoding: 8bit",
    "",
    `This is the mail gateway ${hostname}. Your message was accepted but could not be`,
    "delivered to:",
    "",
    ...failures.flatMap(({ recipient, reply }) => [
      `  ${recipient.address.spoken}`,
      ...wrap(toAscii(formatRemoteReply(reply))).map((line) => `    ${line}`),
      "",
    ]),
    `Nothing more will be tried. The reference of the message is ${leg.transactionId}.`,
    "The headers of your message are attached.",
    "",
  ];
}

function statusReport(
  leg: Leg,
  failures: readonly Failure[],
  { hostname, hub }: BounceFacts,
): readonly string[] {
  const { envid } = leg.envelope.mail;
  const remote = hub === null ? [] : [`Remote-MTA: dns; ${hub.replace(/:\d+$/, "")}`];
  const isForeign = failures.some(({ recipient }) => !isAscii(recipient.address.spoken));
  return [
    `Content-Type: message/${isForeign ? "global-delivery-status" : "delivery-status"}`,
    "",
    `Reporting-MTA: dns; ${hostname}`,
    ...(envid === undefined ? [] : [`Original-Envelope-Id: ${toAscii(decodeXtext(envid))}`]),
    `Arrival-Date: ${toMailDate(leg.receivedAt)}`,
    "",
    ...failures.flatMap(({ recipient, reply }) => [
      ...originalRecipient(recipient),
      `Final-Recipient: ${addressType(recipient.address.spoken)}`,
      "Action: failed",
      `Status: ${toPermanent(reply)}`,
      ...remote,
      foldHeader("Diagnostic-Code", `smtp; ${toAscii(formatRemoteReply(reply))}`).trimEnd(),
      "",
    ]),
  ];
}

function originalRecipient({ orcpt }: EnvelopeRecipient): readonly string[] {
  if (orcpt === undefined) return [];
  // RFC 3464 2.3.1: without the xtext of the envelope.
  return [`Original-Recipient: ${toAscii(decodeXtext(orcpt)).replace(";", "; ")}`];
}

function addressType(spoken: string): string {
  return `${isAscii(spoken) ? "rfc822" : "utf-8"}; ${spoken}`;
}

/** What failed for good is class 5, or 4.4.7 for a message whose time is over (RFC 3463). */
function toPermanent({ code, status }: RemoteReply): string {
  if (status !== null) return status;
  return code >= 500 ? "5.0.0" : "4.0.0";
}

function isAscii(text: string): boolean {
  return !/[^\x20-\x7e]/.test(text);
}

/** Also takes out CR and LF: whatever others said stays on its line (threats.md P7). */
function toAscii(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?");
}

/** Header lines of the failed message, safe to embed: seven-bit, no line over the limit. */
function toAsciiLines(headers: string): readonly string[] {
  return headers
    .split(/\r?\n/)
    .map((line) => line.replace(/[^\t\x20-\x7e]/g, "?").slice(0, MAX_LINE));
}

/** RFC 5322 2.1.1. */
const MAX_LINE = 998;
const WRAP_AT = 70;

function wrap(text: string): readonly string[] {
  return text.match(new RegExp(`.{1,${WRAP_AT}}(?: |$)|.{${WRAP_AT}}`, "g")) ?? [];
}

/** RFC 5322 3.3, in UTC. */
function toMailDate(ms: number): string {
  return new Date(ms).toUTCString().replace("GMT", "+0000");
}

function toMemorySource(bytes: Buffer): MessageSource {
  const chunkBytes = 65_536;
  return {
    size: bytes.length,
    async *read() {
      for (let at = 0; at < bytes.length; at += chunkBytes) {
        yield bytes.subarray(at, at + chunkBytes);
      }
    },
  };
}
