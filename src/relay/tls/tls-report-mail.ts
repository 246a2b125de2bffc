import { gzipSync } from "node:zlib";
import type { Address } from "../../mail/address.ts";
import { foldHeader } from "../../mail/fold-header.ts";
import type { TlsReport } from "./tls-report.ts";

export interface ReportMail {
  readonly from: Address;
  readonly to: Address;
  readonly hostname: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** Base64 lines of 76 (RFC 2045 6.8). */
const LINE_CHARS = 76;

/** The report as it is attached or posted (RFC 8460 5.1, 6.5). */
export function toReportFile({ json }: TlsReport): Buffer {
  return gzipSync(JSON.stringify(json));
}

/** A whole message, RFC 8460 5.3, seven-bit. */
export function toReportMail(report: TlsReport, { from, to, hostname, now }: ReportMail): Buffer {
  const { domain, day, id } = report;
  const boundary = `=_tls_report_${day}`;
  const subject = `Report Domain: ${domain} Submitter: ${hostname} Report-ID: <${id}>`;
  const file = toReportFile(report).toString("base64");
  const lines = [
    ...[
      ["Date", new Date(now).toUTCString().replace("GMT", "+0000")],
      ["From", `TLS reports <${from.spoken}>`],
      ["To", `<${to.spoken}>`],
      ["Subject", subject],
      ["Message-ID", `<${now.toString(36)}.${id}>`],
      ["TLS-Report-Domain", domain],
      ["TLS-Report-Submitter", hostname],
      // RFC 8689 5: the servers after us shall not insist on the TLS that this tells about either.
      ["TLS-Required", "No"],
      // RFC 3834 5: so that nobody answers it automatically.
      ["Auto-Submitted", "auto-generated"],
      ["MIME-Version", "1.0"],
      ["Content-Type", `multipart/report; report-type="tlsrpt"; boundary="${boundary}"`],
    ].map(([name = "", value = ""]) => foldHeader(name, value).trimEnd()),
    "",
    `--${boundary}`,
    "Content-Type: text/plain; charset=us-ascii",
    "",
    `This is the TLS report (RFC 8460) of the mail gateway ${hostname}`,
    `about sessions with ${domain} on ${day} (UTC).`,
    "",
    `--${boundary}`,
    "Content-Type: application/tlsrpt+gzip",
    "Content-Transfer-Encoding: base64",
    `Content-Disposition: attachment;\r\n filename="${fileName(report, hostname)}"`,
    "",
    ...(file.match(new RegExp(`.{1,${LINE_CHARS}}`, "g")) ?? []),
    "",
    `--${boundary}--`,
    "",
  ];
  return Buffer.from(lines.join("\r\n"));
}

/** RFC 8460 5.1. */
function fileName({ domain, begins, ends }: TlsReport, hostname: string): string {
  return `${hostname}!${domain}!${begins}!${ends}.json.gz`;
}
