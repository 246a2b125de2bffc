import assert from "node:assert/strict";
import { test } from "node:test";
import { parseStsPolicy } from "../../src/relay/tls/mta-sts-policy.ts";
import { parseStsRecord } from "../../src/relay/tls/mta-sts-record.ts";
import { parseReportRecord } from "../../src/relay/tls/tls-report-record.ts";
import { judgeDaneChain } from "../../src/smtp/dane-chain.ts";
import { toUsableRecords } from "../../src/smtp/dane-records.ts";
import { costOf } from "../support/cpu-time.ts";
import { makeCertificate, toTlsa } from "../support/made-certificate.ts";

/** The most that a policy host or a TXT record can send. */
const OCTETS = 65_536;
/** Of processor time; what takes the square of 64 KiB needs many seconds. */
const LIMIT_MS = 1000;

const blanks = " \t".repeat(OCTETS / 2 - 20);

for (const [claim, text] of [
  ["blanks within a value", `x:a${blanks}b`],
  ["blanks before a delimiter that does not come", `v=STSv1;${blanks}x`],
  ["delimiters alone", `v=STSv1;${";".repeat(OCTETS - 20)}`],
  ["lines without end", "a:b\n".repeat(OCTETS / 4)],
  ["carriage returns", "\r".repeat(OCTETS)],
  ["stars and dots", `mx: ${"*.".repeat(OCTETS / 2 - 10)}`],
] as const) {
  test(`${claim} are read in linear time`, async () => {
    const { ms } = await costOf(() => {
      parseStsPolicy(text);
      parseStsRecord([text]);
      parseReportRecord([text.replace("STSv1", "TLSRPTv1")]);
      parseReportRecord([`v=TLSRPTv1; rua=${text}`]);
    });
    assert.ok(ms < LIMIT_MS, `${ms} ms`);
  });
}

test("a thousand TLSA records and a long chain are compared in bounded time", async () => {
  const root = await makeCertificate("Root", { isAuthority: true });
  const shown = await makeCertificate("mx.example.org", { by: root });
  const other = toTlsa(await makeCertificate("other.example"), 2, 0, 0);
  const records = toUsableRecords(Array.from({ length: 1000 }, () => other));
  assert.equal(records.length, 64);
  const chain = [shown, ...Array.from({ length: 9 }, () => root)].map(({ x509 }) => x509);
  const { ms } = await costOf(() => {
    const verdict = judgeDaneChain(chain, { records, names: ["mx.example.org"] }, Date.now());
    assert.equal(verdict.kind, "refused");
  });
  assert.ok(ms < LIMIT_MS, `${ms} ms`);
});
