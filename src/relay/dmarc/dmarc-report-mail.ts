import { gzipSync } from "node:zlib";
import type { Address } from "../../mail/address.ts";
import { toReportMessage } from "../reports/report-message.ts";
import type { DmarcReport } from "./dmarc-report.ts";

export interface DmarcReportMail {
  readonly from: Address;
  readonly to: Address;
  readonly hostname: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** RFC 9990: the form that its readers go by. */
export function dmarcReportSubject({ domain, id }: DmarcReport, hostname: string): string {
  return `Report Domain: ${domain} Submitter: ${hostname} Report-ID: <${id}>`;
}

/** A whole message, seven-bit. */
export function toDmarcReportMail(
  report: DmarcReport,
  { from, to, hostname, now }: DmarcReportMail,
): Buffer {
  const { domain, day, id, begins, ends, xml } = report;
  return toReportMessage({
    from,
    fromName: "DMARC reports",
    to,
    subject: dmarcReportSubject(report, hostname),
    messageId: `${now.toString(36)}.${id}`,
    now,
    headers: [],
    contentType: "multipart/mixed",
    boundary: `=_dmarc_report_${day}`,
    text: [
      `This is the DMARC aggregate report (RFC 9990) of the mail gateway ${hostname}`,
      `about mail in the name of ${domain} on ${day} (UTC).`,
    ],
    attachment: {
      type: "application/gzip",
      fileName: `${hostname}!${domain}!${begins}!${ends}.xml.gz`,
      bytes: gzipSync(xml),
    },
  });
}
