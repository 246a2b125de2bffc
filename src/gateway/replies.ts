import type { TransactionId } from "../base/ids.ts";
import type { Cause } from "../pipeline/cause.ts";
import type { ReplyWords } from "../policy/snapshot.ts";
import { MAX_REPLY_LINE, type Reply, type ReplyCode } from "../smtp/reply.ts";
import type { RemoteReply } from "../smtp/smtp-client.ts";

type About = Readonly<Record<string, string>>;

interface ReplyLine {
  readonly code: ReplyCode;
  readonly status: NonNullable<Reply["status"]>;
  readonly text: (about: About) => string;
  /** What the sender, or our operator, can do about it. For explain and the console. */
  readonly remedy: string;
  readonly close?: true;
}

/**
 * Every refusal there is, one line a cause (behaviour.md section 6). A word in `about` comes from a
 * stage and may be hostile; `compose` leaves printable ASCII only.
 */
const REPLIES: { readonly [C in Cause]: ReplyLine } = {
  "client-listed": {
    code: 550,
    status: "7.1",
    text: ({ client, zone, text }) =>
      `Service unavailable; client [${client}] blocked using ${zone}${text ? `; ${text}` : ""}`,
    remedy: "Ask the named list to remove the address, or ask us for an entry in access.yaml.",
  },
  "client-blocked": line(
    550,
    "7.1",
    "Mail from this client is not accepted here",
    "See access.yaml.",
  ),
  "too-many-connections": {
    ...line(421, "7.0", "Too many connections, try again later", "Raise limits.yaml connections."),
    close: true,
  },
  draining: {
    ...line(421, "3.2", "Service is closing, try again", "None: it restarts."),
    close: true,
  },
  rate: line(450, "7.1", "Too much mail in a short time, try again later", "Send more slowly."),
  greylisted: {
    code: 451,
    status: "7.1",
    text: ({ seconds }) => `Greylisted, try again in ${seconds ?? "300"} seconds`,
    remedy: "A mail server tries again by itself.",
  },
  "reverse-name": line(550, "7.25", "Client has no matching reverse name", "Set the PTR record."),
  "helo-malformed": line(501, "5.4", "Malformed HELO name", "Announce a host name."),
  "helo-forged": line(550, "7.1", "HELO name is ours, not yours", "Announce the own host name."),
  "sender-domain-missing": line(550, "1.8", "Sender domain does not exist", "Check the address."),
  "sender-domain-no-mail": line(
    550,
    "1.8",
    "Sender domain has no mail server",
    "Publish an MX or an address for it.",
  ),
  "sender-domain-unresolved": line(
    450,
    "1.8",
    "Sender domain cannot be looked up now",
    "Check DNS.",
  ),
  "sender-null-mx": line(550, "7.27", "Sender domain takes no mail", "Use an address with an MX."),
  "sender-denied": line(554, "1.0", "Sender denied", "See access.yaml."),
  "sender-not-ours": line(
    550,
    "7.1",
    "The sender address is of no domain of ours",
    "Send under an own address, or see outbound.ownSenders of pipeline.yaml.",
  ),
  "author-not-own": {
    code: 550,
    status: "7.1",
    text: ({ address }) =>
      address
        ? `You may not send as ${address}, whom From names`
        : "From must name addresses that you may send as, in a form that all can read",
    remedy: "Send under an own address, or see outbound.ownAuthors of pipeline.yaml.",
  },
  "spf-fail": {
    code: 550,
    status: "7.23",
    text: ({ domain, explanation }) =>
      `SPF of ${domain ?? "the sender domain"} does not permit this client${explanation ? `; ${explanation}` : ""}`,
    remedy: "Send through a server of the domain, or correct its SPF record.",
  },
  "spf-temporary": line(451, "7.24", "SPF cannot be checked now", "Check the DNS of the domain."),
  "sender-id-fail": {
    code: 550,
    status: "7.1",
    text: senderIdText,
    remedy: "Send through a server that the domain permits, or correct its record of Sender ID.",
  },
  "dmarc-reject": line(
    550,
    "7.1",
    "Refused by the DMARC policy of the From domain",
    "Sign the mail.",
  ),
  "dmarc-quarantine": line(
    550,
    "7.1",
    "Held by the DMARC policy of the From domain",
    "Sign the mail; an operator releases what is honest.",
  ),
  "from-malformed": line(550, "7.1", "Exactly one well-formed From is needed", "Correct the From."),
  "recipient-unknown": {
    code: 550,
    status: "1.1",
    text: ({ hub }) => `Recipient unknown${hub ? `; the destination said: ${hub}` : ""}`,
    remedy: "Check the address; an operator looks at the list in domains.yaml or at the hub.",
  },
  "recipient-unverified": {
    code: 450,
    status: "1.1",
    text: ({ hub }) =>
      `Recipient cannot be verified now${hub ? `; the destination said: ${hub}` : ""}`,
    remedy: "Check the hub.",
  },
  "bounce-untagged": line(
    550,
    "7.1",
    "Bounce of a message that this address did not send",
    "Bounces go to the sender as MAIL FROM said it, tag and all; see bounceTags in rewriting.yaml.",
  ),
  "relay-denied": line(550, "7.1", "Relaying denied", "Accepted domains are in domains.yaml."),
  "no-route": line(
    550,
    "1.2",
    "No route to the recipient domain",
    "Name the domain in a connector of routing.yaml.",
  ),
  "too-many-recipients": line(452, "5.3", "Too many recipients", "Send the rest separately."),
  "recipients-differ": line(
    452,
    "5.3",
    "Send to this recipient separately",
    "None: it is retried.",
  ),
  "too-large": line(552, "3.4", "Message too large", "The limit is message.maxBytes."),
  "header-too-large": line(
    550,
    "6.0",
    "Header section too large",
    "The limit is message.headerBytes.",
  ),
  "bare-line-ending": line(
    550,
    "6.11",
    "Bare CR, LF or NUL in the message",
    "End lines with CRLF.",
  ),
  "too-slow": { ...line(421, "4.2", "Data came too slowly", "Check the network."), close: true },
  loop: line(554, "4.6", "Too many hops, possible mail loop", "Look for a forwarding loop."),
  attachment: {
    code: 550,
    status: "7.1",
    text: ({ name }) => `Attachment not accepted${name ? `: ${name}` : ""}`,
    remedy: "Send the file another way; an operator looks at attachments.yaml.",
  },
  malware: {
    code: 550,
    status: "7.1",
    text: ({ name }) => `Message contains malware${name ? ` (${name})` : ""}`,
    remedy: "Clean the sending machine.",
  },
  spam: line(550, "7.1", "Message looks like spam", "Quote the reference to our postmaster."),
  unscannable: line(
    550,
    "6.0",
    "Message cannot be scanned",
    "Send it without encryption or nesting.",
  ),
  "origin-unknown": line(
    550,
    "7.1",
    "Nobody can tell where the message comes from",
    "The relay must write a Received field that names its client; see docs/trusted-relays.md.",
  ),
  "check-unavailable": line(
    451,
    "7.1",
    "A needed check is unavailable, try again later",
    "See doctor.",
  ),
  "no-space": line(452, "3.1", "Insufficient system storage", "Free the disk of dataDir."),
  "busy-resources": line(
    452,
    "3.1",
    "Insufficient system resources, try again later",
    "The log line back-pressure names what is short; its thresholds are in limits.yaml backPressure.",
  ),
  "hub-lacks-8bit": line(
    554,
    "6.3",
    "8-bit data cannot be delivered",
    "Send it encoded in 7 bits.",
  ),
  "hub-lacks-utf8": line(550, "6.7", "Internationalised mail cannot be delivered", "Use ASCII."),
  "hub-refused": line(550, "0.0", "Refused by the destination", "See the hub's log."),
  "hub-deferred": line(451, "0.0", "Deferred by the destination", "See the hub's log."),
  undeliverable: line(550, "0.0", "Undeliverable", "Release it once the hub takes it."),
  "internal-error": {
    ...line(421, "3.0", "Internal error, try again later", "See the log."),
    close: true,
  },
};

function line(
  code: ReplyCode,
  status: ReplyLine["status"],
  text: string,
  remedy: string,
): ReplyLine {
  return { code, status, text: () => text, remedy };
}

/** The words of RFC 4406 5.3. */
function senderIdText({ scope, domain, fault }: About): string {
  if (scope === "PRA" && !domain) return "Missing purported responsible address";
  const reason = fault === "no-domain" ? "Domain does not exist" : "Not permitted";
  return `Sender ID (${scope ?? "PRA"}) ${reason}`;
}

/** The refusal for a cause: one line that fits, with the operator's words and the reference. */
export function replyFor(cause: Cause, about: About, id: TransactionId, words: ReplyWords): Reply {
  const { code, status, text, close } = REPLIES[cause];
  const own = words.texts.get(cause);
  return { code, status, text: compose(own ?? text(about), id, words), ...(close && { close }) };
}

export function remedyFor(cause: Cause): string {
  return REPLIES[cause].remedy;
}

/**
 * The hub's own refusal with its code, status and words. 421 and what is no refusal become a plain
 * deferral: a hub must not close our client's connection, nor turn a failure into a promise.
 */
export function passOn(remote: RemoteReply, id: TransactionId, words: ReplyWords): Reply {
  const known = PASSED_CODES.find((code) => code === remote.code);
  const code = known ?? (remote.code >= 500 && remote.code < 600 ? 550 : 451);
  const detail = /^[245]\.(\d{1,3})\.(\d{1,3})$/.exec(remote.status ?? "");
  const status = detail ? (`${Number(detail[1])}.${Number(detail[2])}` as Reply["status"]) : "0.0";
  return { code, status, text: compose(remote.text, id, words) };
}

const PASSED_CODES = [450, 451, 452, 455, 550, 551, 552, 553, 554, 555, 556] as const;

/** 250 after DATA. The reference is what `explain` takes. */
export function acceptedReply(id: TransactionId): Reply {
  return { code: 250, status: "0.0", text: `Message accepted (ref ${id})` };
}

/** Code, the longest enhanced code of RFC 3463, blanks and CRLF. */
const OVERHEAD = "550 5.123.123 \r\n".length;

/** Hostile words are cut before ours: the reference always fits. */
function compose(text: string, id: TransactionId, words: ReplyWords): string {
  const tail = ` (ref ${id})${words.footer ? ` ${words.footer}` : ""}`;
  const clean = text.replace(/[^\x20-\x7e]+/g, " ").trim();
  return clean.slice(0, Math.max(0, MAX_REPLY_LINE - OVERHEAD - tail.length)) + tail;
}
