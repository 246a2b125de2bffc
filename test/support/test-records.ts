import type { SessionId, TransactionId } from "../../src/base/ids.ts";
import type { TransactionRecord } from "../../src/pipeline/facts.ts";
import type { StageReport } from "../../src/pipeline/report.ts";

/** 18 characters of the alphabet of ids. */
export function testId(number: number): TransactionId {
  return `01M3TEST0${String(number).padStart(9, "0")}` as TransactionId;
}

/** A made record of a relayed message; `changes` overrides what a test is about. */
export function testRecord(
  number: number,
  changes: Partial<TransactionRecord> = {},
): TransactionRecord {
  const at = Date.UTC(2026, 0, 1) + number * 1000;
  return {
    id: testId(number),
    sessionId: "01M3SESS0000000001" as SessionId,
    receivedAt: at - 500,
    decidedAt: at,
    policyVersion: "0123abcd",
    client: { ip: "192.0.2.1", port: 40_000 },
    listener: { name: "internet", kind: "internet", hostname: "mx.example.org" },
    helo: { verb: "EHLO", name: "client.example.com" },
    tls: null,
    sender: "Sender@example.com",
    recipients: [
      { address: "alice@example.org", action: "relay", cause: null, reply: "250 2.1.5 OK" },
    ],
    message: {
      size: 1234,
      sha256: "ab".repeat(32),
      messageId: "<1@example.com>",
      subject: "Grüße from afar",
      from: "Sender <sender@example.com>",
    },
    reports: [testReport("spf", { evidence: { result: "pass" } })],
    seed: "seed",
    action: "relay",
    cause: null,
    stage: null,
    score: 0,
    scl: 0,
    reply: `250 2.0.0 Message accepted (ref ${testId(number)})`,
    via: "hub",
    ...changes,
  };
}

export function testReport(stage: string, changes: Partial<StageReport> = {}): StageReport {
  return {
    stage,
    phase: "mail",
    outcome: "judged",
    ms: 1.5,
    evidence: {},
    verdict: { kind: "neutral", findings: [] },
    mode: "enforce",
    trustable: true,
    essential: false,
    canTrust: false,
    ...changes,
  };
}
