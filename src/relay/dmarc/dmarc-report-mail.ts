import { gzipSync } from "node:zlib";
import { type ReportMail, toReportMessage } from "../reports/report-message.ts";
import type { DmarcReport } from "./dmarc-report.ts";

/** A whole message, seven-bit. */
export function toDmarcReportMail(report: DmarcReport, mail: ReportMail): Buffer {
  const { domain, day, begins, ends, xml } = report;
  const { hostname } = mail;
  return toReportMessage(report, mail, {
    fromName: "DMARC reports",
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
