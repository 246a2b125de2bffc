import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gunzipSync } from "node:zlib";
import { parseHeaderBlock } from "../../../src/mail/header-block.ts";
import { toTlsReport } from "../../../src/relay/tls/tls-report.ts";
import { toReportFile, toReportMail } from "../../../src/relay/tls/tls-report-mail.ts";
import type { CountedTlsSession } from "../../../src/tracking/tracking.ts";
import { toAddress } from "../../support/spool-item.ts";

const STS = {
  type: "sts",
  domain: "company-y.example",
  strings: ["version: STSv1", "mode: testing", "mx: *.mail.company-y.example", "max_age: 86400"],
  mx: ["*.mail.company-y.example"],
} as const;
const ENDS = { mxHost: "mx1.mail.company-y.example", ip: "192.0.2.1", ownIp: "2001:db8::1" };

const SESSIONS: readonly CountedTlsSession[] = [
  { ...ENDS, policy: STS, failure: null, count: 5326 },
  {
    ...ENDS,
    policy: STS,
    failure: { type: "certificate-expired", reason: "it has expired" },
    count: 100,
  },
  {
    ...ENDS,
    ip: null,
    ownIp: null,
    policy: STS,
    failure: { type: "validation-failure", reason: "not allowed" },
    count: 3,
  },
  {
    ...ENDS,
    policy: { type: "tlsa", domain: "mx2.company-y.example", strings: ["3 1 1 ab"] },
    failure: null,
    count: 2,
  },
  {
    ...ENDS,
    policy: { type: "no-policy-found", domain: "company-y.example" },
    failure: { type: "starttls-not-supported", reason: "none was offered" },
    count: 1,
  },
];
const SENDER = {
  hostname: "mail.company-x.example",
  organization: "Company-X",
  contact: "sts-reporting@company-x.example",
};
const report = toTlsReport("company-y.example", "2016-04-01", SESSIONS, SENDER);

describe("a TLS report", () => {
  it("has every field of RFC 8460 4.4", () => {
    assert.deepEqual(report.json, {
      "organization-name": "Company-X",
      "date-range": {
        "start-datetime": "2016-04-01T00:00:00Z",
        "end-datetime": "2016-04-01T23:59:59Z",
      },
      "contact-info": "sts-reporting@company-x.example",
      "report-id": "2016-04-01.company-y.example@mail.company-x.example",
      policies: [
        {
          policy: {
            "policy-type": "sts",
            "policy-string": [
              "version: STSv1",
              "mode: testing",
              "mx: *.mail.company-y.example",
              "max_age: 86400",
            ],
            "policy-domain": "company-y.example",
            "mx-host": ["*.mail.company-y.example"],
          },
          summary: {
            "total-successful-session-count": 5326,
            "total-failure-session-count": 103,
          },
          "failure-details": [
            {
              "result-type": "certificate-expired",
              "sending-mta-ip": "2001:db8::1",
              "receiving-mx-hostname": "mx1.mail.company-y.example",
              "receiving-ip": "192.0.2.1",
              "failed-session-count": 100,
              "failure-reason-code": "it has expired",
            },
            {
              "result-type": "validation-failure",
              "receiving-mx-hostname": "mx1.mail.company-y.example",
              "failed-session-count": 3,
              "failure-reason-code": "not allowed",
            },
          ],
        },
        {
          policy: {
            "policy-type": "tlsa",
            "policy-string": ["3 1 1 ab"],
            "policy-domain": "mx2.company-y.example",
          },
          summary: { "total-successful-session-count": 2, "total-failure-session-count": 0 },
        },
        {
          policy: { "policy-type": "no-policy-found", "policy-domain": "company-y.example" },
          summary: { "total-successful-session-count": 0, "total-failure-session-count": 1 },
          "failure-details": [
            {
              "result-type": "starttls-not-supported",
              "sending-mta-ip": "2001:db8::1",
              "receiving-mx-hostname": "mx1.mail.company-y.example",
              "receiving-ip": "192.0.2.1",
              "failed-session-count": 1,
              "failure-reason-code": "none was offered",
            },
          ],
        },
      ],
    });
  });

  it("is attached and posted as gzip of that JSON", () => {
    assert.deepEqual(JSON.parse(gunzipSync(toReportFile(report)).toString()), report.json);
  });

  it("is a multipart/report by mail that programs can tell by its headers", () => {
    const mail = toReportMail(report, {
      from: toAddress("tls@company-x.example"),
      to: toAddress("reports@company-y.example"),
      hostname: SENDER.hostname,
      now: Date.UTC(2016, 3, 2, 1, 2, 3),
    }).toString("latin1");
    const [head = "", ...rest] = mail.split("\r\n\r\n");
    const headers = parseHeaderBlock(Buffer.from(`${head}\r\n`));
    const id = "<2016-04-01.company-y.example@mail.company-x.example>";
    assert.equal(
      headers.first("subject")?.trim(),
      `Report Domain: company-y.example Submitter: mail.company-x.example Report-ID: ${id}`,
    );
    const expected = {
      date: "Sat, 02 Apr 2016 01:02:03 +0000",
      from: "TLS reports <tls@company-x.example>",
      to: "<reports@company-y.example>",
      "tls-report-domain": "company-y.example",
      "tls-report-submitter": "mail.company-x.example",
      "tls-required": "No",
      "auto-submitted": "auto-generated",
    };
    for (const [name, value] of Object.entries(expected))
      assert.equal(headers.first(name)?.trim(), value, name);
    const type = headers.first("content-type") ?? "";
    assert.match(type, /^\s*multipart\/report;\s+report-type="tlsrpt";\s+boundary="([^"]+)"/);
    assert.match(
      rest.join("\n\n"),
      /filename="mail\.company-x\.example!company-y\.example!1459468800!1459555199\.json\.gz"/,
    );
    assert.match(rest.join("\n\n"), /Content-Type: application\/tlsrpt\+gzip/);
    const base64 = /base64[\s\S]*?\n\n([\s\S]*?)\n--/.exec(mail.replaceAll("\r", ""))?.[1] ?? "";
    const attached = gunzipSync(Buffer.from(base64, "base64")).toString();
    assert.deepEqual(JSON.parse(attached), report.json);
    for (const line of mail.split("\r\n")) assert.ok(line.length <= 100, line);
    assert.ok(!/[^\r]\n/.test(mail));
  });
});
