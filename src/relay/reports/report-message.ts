import type { Address } from "../../mail/address.ts";
import { foldHeader } from "../../mail/fold-header.ts";

export interface ReportMessage {
  readonly from: Address;
  /** Beside the address in From. */
  readonly fromName: string;
  readonly to: Address;
  readonly subject: string;
  /** Without its brackets. */
  readonly messageId: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
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

/** A whole message, seven-bit. */
export function toReportMessage(message: ReportMessage): Buffer {
  const { from, fromName, to, subject, messageId, now, boundary, text, attachment } = message;
  const { type, fileName, bytes } = attachment;
  const lines = [
    ...[
      ["Date", new Date(now).toUTCString().replace("GMT", "+0000")],
      ["From", `${fromName} <${from.spoken}>`],
      ["To", `<${to.spoken}>`],
      ["Subject", subject],
      ["Message-ID", `<${messageId}>`],
      ...message.headers,
      // RFC 3834 5: so that nobody answers it automatically.
      ["Auto-Submitted", "auto-generated"],
      ["MIME-Version", "1.0"],
      ["Content-Type", `${message.contentType}; boundary="${boundary}"`],
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
