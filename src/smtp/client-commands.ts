import type { Address } from "../mail/address.ts";
import type { Envelope, EnvelopeRecipient } from "../mail/envelope.ts";
import type { RemoteCapabilities } from "./smtp-client.ts";

/** RFC 1869 keywords of an EHLO reply, its lines without code and without the greeting line. */
export function toCapabilities(lines: readonly string[]): RemoteCapabilities {
  const keywords = new Map<string, string>();
  for (const line of lines) {
    const [keyword = "", value = ""] = line.trim().split(/\s+/, 2);
    keywords.set(keyword.toUpperCase(), value);
  }
  const size = Number(/^\d{1,15}$/.exec(keywords.get("SIZE") ?? "")?.[0] ?? 0);
  return {
    eightBitMime: keywords.has("8BITMIME"),
    smtpUtf8: keywords.has("SMTPUTF8"),
    dsn: keywords.has("DSN"),
    pipelining: keywords.has("PIPELINING"),
    maxBytes: size > 0 ? size : null,
    sizeOffered: keywords.has("SIZE"),
  };
}

/**
 * True when the address can stand between angle brackets and cannot end them: no controls, and a
 * blank or a bracket only inside a quoted local part. Checked here once more because envelopes also
 * come from spool files and the console (threats.md P7).
 */
export function isSpeakable(address: Address): boolean {
  const { spoken } = address;
  if (spoken === "" || /[\x00-\x1f\x7f-\x9f]/.test(spoken) || !spoken.isWellFormed()) return false;
  const unquoted = spoken.replace(/^"(?:[^"\\]|\\.)*"/, "");
  return !/[\s<>"]/.test(unquoted);
}

function isAscii(address: Address | null): boolean {
  return address === null || !/[^\x00-\x7f]/.test(address.spoken);
}

/** MAIL FROM with the parameters that this server offers. The sender must be speakable. */
export function toMailCommand(
  envelope: Envelope,
  size: number,
  capabilities: RemoteCapabilities,
): string {
  const { sender, recipients, mail } = envelope;
  const isUtf8 = mail.smtputf8 || [sender, ...recipients.map((r) => r.address)].some(isForeign);
  const parameters = [
    capabilities.sizeOffered && `SIZE=${size}`,
    capabilities.eightBitMime && mail.body === "8bitmime" && "BODY=8BITMIME",
    capabilities.smtpUtf8 && isUtf8 && "SMTPUTF8",
    capabilities.dsn && mail.ret && `RET=${mail.ret}`,
    capabilities.dsn && isXtext(mail.envid) && `ENVID=${mail.envid}`,
  ];
  return [`MAIL FROM:<${sender?.spoken ?? ""}>`, ...parameters].filter(Boolean).join(" ");
}

/** RCPT TO. The recipient must be speakable. */
export function toRcptCommand(
  recipient: EnvelopeRecipient,
  capabilities: RemoteCapabilities,
): string {
  const { address, notify, orcpt } = recipient;
  const parameters = [
    capabilities.dsn && notify && notify.length > 0 && `NOTIFY=${notify.join(",")}`,
    capabilities.dsn && isXtext(orcpt) && `ORCPT=${orcpt}`,
  ];
  return [`RCPT TO:<${address.spoken}>`, ...parameters].filter(Boolean).join(" ");
}

function isForeign(address: Address | null): boolean {
  return !isAscii(address);
}

/** Printable and without blanks, so that a parameter cannot become two (RFC 3461 4). */
function isXtext(value: string | undefined): value is string {
  return value !== undefined && /^[\x21-\x7e]{1,500}$/.test(value);
}
