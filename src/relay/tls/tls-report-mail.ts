import { gzipSync } from "node:zlib";
import { type ReportMail, toReportMessage } from "../reports/report-message.ts";
import type { TlsReport } from "./tls-report.ts";

/** The report as it is attached or posted (RFC 8460 5.1, 6.5). */
export function toReportFile({ json }: TlsReport): Buffer {
  return gzipSync(JSON.stringify(json));
}

/** A whole message, RFC 8460 5.3, seven-bit. */
export function toReportMail(report: TlsReport, mail: ReportMail): Buffer {
  const { domain, day } = report;
  const { hostname } = mail;
  return toReportMessage(report, mail, {
    fromName: "TLS reports",
    headers: [
      ["TLS-Report-Domain", domain],
      ["TLS-Report-Submitter", hostname],
      // RFC 8689 5: the servers after us shall not insist on the TLS that this tells about either.
      ["TLS-Required", "No"],
    ],
    contentType: 'multipart/report; report-type="tlsrpt"',
    boundary: `=_tls_report_${day}`,
    text: [
      `This is the TLS report (RFC 8460) of the mail gateway ${hostname}`,
      `about sessions with ${domain} on ${day} (UTC).`,
    ],
    attachment: {
      type: "application/tlsrpt+gzip",
      fileName: fileName(report, hostname),
      bytes: toReportFile(report),
    },
  });
}

/** RFC 8460 5.1. */
function fileName({ domain, begins, ends }: TlsReport, hostname: string): string {
  return `${hostname}!${domain}!${begins}!${ends}.json.gz`;
}
