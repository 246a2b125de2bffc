import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseReportRecord } from "../../../src/relay/tls/tls-report-record.ts";

const shown = (...texts: string[]) =>
  parseReportRecord(texts).map((target) =>
    target.kind === "mail" ? `mail ${target.to.spoken}` : `post ${target.url.href}`,
  );

describe("the TXT record of TLS reports", () => {
  it("names where reports go", () => {
    const mail = "v=TLSRPTv1; rua=mailto:reports@example.org";
    assert.deepEqual(shown(mail), ["mail reports@example.org"]);
    const both = "v=TLSRPTv1;rua=mailto:a@example.org , https://r.example.org/v1?k=1;";
    assert.deepEqual(shown(both), ["mail a@example.org", "post https://r.example.org/v1?k=1"]);
    const encoded = "v=TLSRPTv1; rua=MAILTO:a%2Bb%21c@example.org?subject=x";
    assert.deepEqual(shown(encoded), ["mail a+b!c@example.org"]);
  });

  it("is found among others, and is none when it is there twice", () => {
    const record = "v=TLSRPTv1; rua=mailto:a@example.org";
    assert.deepEqual(shown("v=spf1 -all", record), ["mail a@example.org"]);
    assert.deepEqual(shown(record, record), []);
    assert.deepEqual(shown("v=TLSRPTv12; rua=mailto:a@example.org"), []);
    assert.deepEqual(shown(), []);
  });

  it("leads to nothing that we would not speak to", () => {
    for (const uri of [
      "http://r.example.org/",
      "ftp://r.example.org/",
      "https://user:secret@r.example.org/",
      "https://",
      "https://127.0.0.1/",
      "https://2130706433/",
      "https://[::1]/",
      "https://localhost/",
      "mailto:",
      "mailto:nobody",
      "mailto:a@[127.0.0.1]",
      "mailto:a%0d%0aRCPT@example.org",
      "mailto:%e9@example.org",
      "mailto:a%00@example.org",
      `https://r.example.org/${"x".repeat(2000)}`,
      "file:///etc/passwd",
    ])
      assert.deepEqual(shown(`v=TLSRPTv1; rua=${uri}`), [], uri);
    assert.deepEqual(shown("v=TLSRPTv1; ruf=mailto:a@example.org"), []);
  });

  it("makes us send to five places at most", () => {
    const many = Array.from({ length: 50 }, (_, i) => `mailto:a${i}@example.org`);
    assert.equal(shown(`v=TLSRPTv1; rua=${many.join(",")}`).length, 5);
  });
});
