import type { StageReport } from "../../src/pipeline/report.ts";
import type { ConnectFacts, DataFacts, HeloPhaseFacts } from "../../src/pipeline/stage.ts";

/** Of a stranger, before anything was judged. */
export function connectFacts(ip: string, reports: readonly StageReport[] = []): ConnectFacts {
  return {
    client: { ip, port: 40_000 },
    listener: { name: "internet", kind: "internet", hostname: "mx.example.org" },
    receivedAt: 0,
    seed: "seed",
    reports,
  };
}

export function heloFacts(ip: string, name: string): HeloPhaseFacts {
  return { ...connectFacts(ip), helo: { verb: "EHLO", name }, tls: null, relay: null };
}

/** Of a message with the null sender. */
export function dataFacts(): DataFacts {
  return {
    ...heloFacts("192.0.2.1", "client.example.net"),
    sender: null,
    mail: { body: "7bit", smtputf8: false },
    recipients: [],
  };
}

/** Of a stage that found this. */
export function reportWith(
  stage: string,
  score: number,
  over: Partial<StageReport> = {},
): StageReport {
  return {
    stage,
    phase: "connect",
    outcome: "judged",
    ms: 0,
    evidence: null,
    verdict: { kind: "neutral", findings: [{ symbol: stage.toUpperCase(), score }] },
    mode: "enforce",
    trustable: true,
    essential: false,
    canTrust: false,
    ...over,
  };
}
