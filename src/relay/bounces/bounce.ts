import { returnAddress } from "../../mail/envelope.ts";
import { foldHeader } from "../../mail/fold-header.ts";
import { parseHeaderBlock } from "../../mail/header-block.ts";
import { toMailDate } from "../../mail/mail-date.ts";
import type { MessageSource } from "../../mail/message.ts";
import type { BounceKind } from "../../spool/spool.ts";
import type { Leg } from "../relay.ts";
import { statusReport } from "./bounce-report.ts";
import { printable, toAscii } from "./bounce-text.ts";
import { explanation, subjectOf } from "./bounce-words.ts";
import { toMemorySource } from "./memory-source.ts";
import { asSpokenTo, type Told } from "./told.ts";

export interface BounceFacts {
  /** Ours. */
  readonly hostname: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** When the last attempt will be made. */
  readonly retryUntil: number;
  /** Of the message it is about: its header section, for its sender. */
  readonly headers: Buffer;
  /**
   * Letters that nobody can know beforehand: they part the bounce, and whoever wrote the message may
   * have read its reference in an earlier reply of the same transaction.
   */
  readonly token: string;
  /** The whole message goes back; null: its headers do. */
  readonly whole: MessageSource | null;
}

export interface Bounce {
  readonly source: MessageSource;
  readonly needs: Leg["needs"];
}

/**
 * A delivery status message (RFC 3464) for the sender of a leg: what became of these recipients, why,
 * and the headers of the message or all of it. What we write is seven-bit, unless an address itself
 * is international (RFC 6533); the headers are, whatever they were.
 */
export function toBounce(
  kind: BounceKind,
  leg: Leg,
  about: readonly Told[],
  facts: BounceFacts,
): Bounce {
  const told = about.map((one) => asSpokenTo(one, leg.envelope.recipients));
  const boundary = `=_bounce_${facts.token}`;
  const lines = [
    ...headerLines(kind, leg, facts, boundary),
    "",
    `--${boundary}`,
    ...explanation(kind, leg, told, facts),
    `--${boundary}`,
    ...statusReport(kind, leg, told, facts),
    `--${boundary}`,
    ...returnedHead(leg, facts),
  ];
  const head = Buffer.from(lines.join("\r\n"));
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  const isInternational = head.some((octet) => octet > 127);
  const isWhole8bit = facts.whole !== null && leg.needs.eightBitMime;
  return {
    source: joined(head, facts.whole, tail),
    needs: { eightBitMime: isInternational || isWhole8bit, smtpUtf8: isInternational },
  };
}

function headerLines(
  kind: BounceKind,
  leg: Leg,
  { hostname, now, token, headers }: BounceFacts,
  boundary: string,
): readonly string[] {
  const type = `multipart/report; report-type=delivery-status; boundary="${boundary}"`;
  return [
    `Date: ${toMailDate(now)}`,
    `From: Mail Delivery System <postmaster@${hostname}>`,
    `To: <${printable(returnAddress(leg.envelope)?.spoken ?? "")}>`,
    `Subject: ${subjectOf(kind)}`,
    `Message-ID: <bounce.${leg.transactionId}.${token}@${hostname}>`,
    ...threadOf(headers),
    // RFC 3834 5: so that nobody answers it automatically.
    "Auto-Submitted: auto-replied",
    "MIME-Version: 1.0",
    foldHeader("Content-Type", type).trimEnd(),
  ];
}

/** RFC 3834 3.1.5, so that mail programs show it beside the message. */
function threadOf(headers: Buffer): readonly string[] {
  const id = parseHeaderBlock(headers).first("message-id") ?? "";
  if (!MESSAGE_ID.test(id)) return [];
  return [`In-Reply-To: ${id}`, `References: ${id}`];
}

/** Nothing of the message gets into our own header section but this form. */
const MESSAGE_ID = /^<[!-;=?-~]{1,250}>$/;

/** The head of the last part, and all of it when only headers go back. */
function returnedHead({ needs }: Leg, { whole, headers }: BounceFacts): readonly string[] {
  if (whole === null) {
    const lines = toAsciiLines(headers.toString("latin1"));
    return ["Content-Type: text/rfc822-headers; charset=us-ascii", "", ...lines];
  }
  const encoding = needs.eightBitMime ? ["Content-Transfer-Encoding: 8bit"] : [];
  return ["Content-Type: message/rfc822", ...encoding, "", ""];
}

/** RFC 5322 2.1.1. */
const MAX_LINE = 998;

/** Header lines of the message, safe to embed: seven-bit, no line over the limit. */
function toAsciiLines(headers: string): readonly string[] {
  return headers
    .split(/\r?\n/)
    .map((line) => line.split("\t").map(toAscii).join("\t").slice(0, MAX_LINE));
}

function joined(head: Buffer, whole: MessageSource | null, tail: Buffer): MessageSource {
  return {
    size: head.length + (whole?.size ?? 0) + tail.length,
    async *read() {
      yield* toMemorySource(head).read();
      if (whole) yield* whole.read();
      yield tail;
    },
  };
}
