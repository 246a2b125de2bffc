import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DmarcPolicyFacts } from "../../../src/pipeline/facts.ts";
import { toDmarcReport } from "../../../src/relay/dmarc/dmarc-report.ts";
import { toDmarcReportMail } from "../../../src/relay/dmarc/dmarc-report-mail.ts";
import type { CountedDmarcResult, DmarcDay } from "../../../src/tracking/tracking.ts";
import {
  attachedReport,
  noXmllint,
  reportFault,
  textsOf,
} from "../../support/dmarc-report-reader.ts";
import { toAddress } from "../../support/spool-item.ts";

const POLICY: DmarcPolicyFacts = {
  p: "reject",
  sp: "quarantine",
  np: "none",
  adkim: "s",
  aspf: "r",
  testing: true,
  fo: null,
};
const RESULT: CountedDmarcResult = {
  sourceIp: "192.0.2.1",
  disposition: "none",
  dkim: "fail",
  spf: "fail",
  reasons: [
    { type: "policy_test_mode", comment: null },
    { type: "local_policy", comment: "arc=pass as[1].d=lists.example.org" },
  ],
  headerFrom: "sub.example.org",
  envelopeFrom: "",
  signatures: [
    { domain: "a.example", selector: "one", result: "pass", human: null },
    { domain: "b.example", selector: "two", result: "permerror", human: "no key" },
  ],
  spfResult: { domain: "example.com", result: "softfail", human: null },
  count: 7,
};
const SENDER = {
  hostname: "mx1.example.net",
  organization: "Example",
  email: "dmarc@example.net",
  contact: "https://example.net/dmarc",
};
const build = (changes: Partial<DmarcDay> = {}, result: Partial<CountedDmarcResult> = {}) =>
  toDmarcReport(
    "example.org",
    "2026-11-24",
    { policy: POLICY, leftOut: 0, results: [{ ...RESULT, ...result }], ...changes },
    SENDER,
  );

describe("a DMARC aggregate report", () => {
  it("keeps the schema of RFC 9990, whatever it tells", { skip: noXmllint() }, () => {
    for (const { xml } of [
      build(),
      build({ leftOut: 12, policy: { ...POLICY, fo: "1:d:s", testing: false } }),
      build({}, { sourceIp: "2001:db8::1", envelopeFrom: null, spfResult: null, signatures: [] }),
      build({}, { sourceIp: "::1", disposition: "pass", dkim: "pass", reasons: [] }),
    ])
      assert.equal(reportFault(xml), null, xml);
    assert.notEqual(reportFault(build().xml.replace(/<p>reject/, "<p>never")), null);
    assert.notEqual(reportFault(build({ results: [] }).xml), null);
  });

  it("tells the policy with its defaults, and each kind of message once", () => {
    const { xml, id, begins, ends } = build();
    assert.equal(id, "2026-11-24.example.org@mx1.example.net");
    assert.deepEqual([begins, ends], [1_795_478_400, 1_795_564_799]);
    const first = (name: string) => textsOf(xml, name)[0];
    assert.deepEqual(["p", "sp", "np", "adkim", "aspf", "testing", "discovery_method"].map(first), [
      "reject",
      "quarantine",
      "none",
      "s",
      "r",
      "y",
      "treewalk",
    ]);
    assert.deepEqual(textsOf(xml, "domain"), [
      "example.org",
      "a.example",
      "b.example",
      "example.com",
    ]);
    assert.deepEqual(textsOf(xml, "result"), ["pass", "permerror", "softfail"]);
    assert.deepEqual(textsOf(xml, "type"), ["policy_test_mode", "local_policy"]);
    assert.deepEqual(textsOf(xml, "envelope_from"), [""]);
    assert.deepEqual(textsOf(xml, "count"), ["7"]);
  });

  it("says how many messages had no room in it", () => {
    assert.match(textsOf(build({ leftOut: 12 }).xml, "error")[0] ?? "", /^12 more messages/);
    assert.deepEqual(textsOf(build().xml, "error"), []);
  });

  it("holds hostile texts as text", { skip: noXmllint() }, () => {
    const hostile = `</domain><x>&\u0000\u001b"'\ud800\ufffe]]>`;
    const { xml } = build(
      {},
      { signatures: [{ domain: hostile, selector: hostile, result: "fail", human: hostile }] },
    );
    assert.equal(reportFault(xml), null);
    assert.match(xml, /<selector>&lt;\/domain&gt;&lt;x&gt;&amp;\?\?&quot;&apos;\ufffd\?\]\]&gt;</);
  });

  it("goes by mail as a gzip file, with the names that its readers go by", () => {
    const report = build();
    const mail = toDmarcReportMail(report, {
      from: toAddress("dmarc@example.net"),
      to: toAddress("rua@example.org"),
      hostname: SENDER.hostname,
      now: Date.UTC(2026, 10, 25, 2),
    });
    const { name, xml } = attachedReport(mail);
    assert.equal(name, "mx1.example.net!example.org!1795478400!1795564799.xml.gz");
    assert.equal(xml, report.xml);
    const text = mail.toString("latin1");
    assert.match(text, /^Content-Type: application\/gzip\r$/m);
    assert.match(text, /^From: DMARC reports <dmarc@example\.net>\r$/m);
    assert.match(text, /^Auto-Submitted: auto-generated\r$/m);
    const subject =
      "Report Domain: example.org Submitter: mx1.example.net" +
      " Report-ID: <2026-11-24.example.org@mx1.example.net>";
    assert.ok(text.replace(/\r\n(?=[ \t])/g, "").includes(`\r\nSubject: ${subject}\r\n`));
    assert.ok(!/[^\r]\n|[^\x00-\x7f]/.test(text));
  });
});
