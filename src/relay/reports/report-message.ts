import type { Address } from "../../mail/address.ts";
import { foldHeader } from "../../mail/fold-header.ts";
import { toMailDate } from "../../mail/mail-date.ts";

/** What tells one report from all others. */
export interface ReportName {
  /** Of whom it tells. */
  readonly domain: string;
  /** The same when it is sent again. */
  readonly id: string;
}

export interface ReportMail {
  readonly from: Address;
  readonly to: Address;
  /** Ours. */
  readonly hostname: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export interface ReportContent {
  /** Beside the address in From. */
  readonly fromName: string;
  /** Header fields of this kind of report. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Of the message, without its boundary. */
  readonly contentType: string;
  readonly boundary: string;
  /** For people. */
  readonly text: readonly string[];
  readonly attachment: {
    readonly type: string;
    readonly fileName: string;
    readonly bytes: Buffer;
  };
}

/** Base64 lines of 76 (RFC 2045 6.8). */
const BASE64_LINE = /.{1,76}/g;

/** The form that its readers go by (RFC 8460 5.3, RFC 9990). */
export function reportSubject({ domain, id }: ReportName, hostname: string): string {
  return `Report Domain: ${domain} Submitter: ${hostname} Report-ID: <${id}>`;
}

/** Without its brackets. */
export function reportMessageId({ id }: ReportName, now: number): string {
  return `${now.toString(36)}.${id}`;
}

/** A whole message, seven-bit. */
export function toReportMessage(
  report: ReportName,
  { from, to, hostname, now }: ReportMail,
  content: ReportContent,
): Buffer {
  const { fromName, boundary, text, attachment } = content;
  const { type, fileName, bytes } = attachment;
  const lines = [
    ...[
      ["Date", toMailDate(now)],
      ["From", `${fromName} <${from.spoken}>`],
      ["To", `<${to.spoken}>`],
      ["Subject", reportSubject(report, hostname)],
      ["Message-ID", `<${reportMessageId(report, now)}>`],
      ...content.headers,
      // RFC 3834 5: so that nobody answers it automatically.
      ["Auto-Submitted", "auto-generated"],
      ["MIME-Version", "1.0"],
      ["Content-Type", `${content.contentType}; boundary="${boundary}"`],
    ].map(([name = "", value = ""]) => foldHeader(name, value).trimEnd()),
    "",
    `--${boundary}`,
    "Content-Type: text/plain; charset=us-ascii",
    "",
    ...text,
    "",
    `--${boundary}`,
    `Content-Type: ${type}`,
    "Content-Transfer-Encoding: base64",
    `Content-Disposition: attachment;\r\n filename="${fileName}"`,
    "",
    ...(bytes.toString("base64").match(BASE64_LINE) ?? []),
    "",
    `--${boundary}--`,
    "",
  ];
  return Buffer.from(lines.join("\r\n"));
}
