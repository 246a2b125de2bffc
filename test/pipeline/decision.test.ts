import assert from "node:assert/strict";
import { test } from "node:test";
import { type DecisionRule, decide } from "../../src/pipeline/decision.ts";
import type { StageReport } from "../../src/pipeline/report.ts";
import type { Verdict } from "../../src/pipeline/verdict.ts";

const RULE: DecisionRule = {
  mode: "enforce",
  exempt: false,
  scoring: {
    scores: new Map(),
    thresholds: { quarantine: 6, reject: null },
    scl: [1, 2, 3, 4, 5, 6, 7, 8, 9],
  },
};

function report(verdict: Partial<Verdict> & { kind: string }, over: Partial<StageReport> = {}) {
  return {
    stage: "some",
    phase: "connect",
    outcome: "judged",
    ms: 1,
    evidence: null,
    mode: "enforce",
    trustable: true,
    essential: false,
    canTrust: false,
    ...over,
    verdict: { findings: [], ...verdict } as Verdict,
  } satisfies StageReport;
}

const reject = { kind: "reject", cause: "client-listed" } as const;
const malware = { kind: "reject", cause: "malware", about: { name: "Eicar" } } as const;
const trust = { kind: "trust" } as const;

test("mail that nobody refuses is relayed", () => {
  const decision = decide([report({ kind: "neutral" })], RULE);
  assert.equal(decision.action, "relay");
  assert.equal(decision.cause, null);
});

test("the severest verdict decides whatever its place", () => {
  const hold = report({ kind: "quarantine", cause: "unscannable" }, { stage: "attachments" });
  const defer = report({ kind: "defer", cause: "check-unavailable" }, { stage: "antivirus" });
  const no = report(malware, { stage: "antivirus" });
  assert.equal(decide([hold, defer], RULE).action, "defer");
  assert.equal(decide([hold, defer, no], RULE).cause, "malware");
  assert.deepEqual(decide([hold, no], RULE).about, { name: "Eicar" });
});

test("among equals the earliest in plan order decides", () => {
  const spf = { kind: "reject", cause: "spf-fail" } as const;
  const decision = decide([report(reject, { stage: "a" }), report(spf, { stage: "b" })], RULE);
  assert.equal(decision.stage, "a");
});

test("mail held for several causes is held as malware when that is one of them", () => {
  const hold = { kind: "quarantine", cause: "check-unavailable" } as const;
  const virus = { kind: "quarantine", cause: "malware" } as const;
  const spam = report(hold, { stage: "dnsbl" });
  const found = report(virus, { stage: "antivirus", trustable: false });
  assert.equal(decide([spam, found], RULE).cause, "malware");
  assert.equal(decide([found, spam], RULE).cause, "malware");
});

test("trust makes spam stages count for nothing, before and after it", () => {
  const spam = report({ ...reject, findings: [{ symbol: "X", score: 9 }] });
  const decision = decide([spam, report(trust, { stage: "access", trustable: false })], RULE);
  assert.equal(decision.action, "relay");
  assert.equal(decision.score, 0);
  assert.equal(decision.scl, -1);
});

test("trust never covers a stage that is not a spam stage", () => {
  const virus = report(malware, { stage: "antivirus", trustable: false });
  const decision = decide([report(trust, { trustable: false }), virus], RULE);
  assert.equal(decision.action, "reject");
});

test("trust with a scope covers the named stages only", () => {
  const scoped = report({ kind: "trust", scope: ["dnsbl"] }, { stage: "access", trustable: false });
  const dnsbl = report(reject, { stage: "dnsbl" });
  const spf = report({ kind: "reject", cause: "spf-fail" }, { stage: "spf" });
  assert.equal(decide([scoped, dnsbl], RULE).action, "relay");
  assert.equal(decide([scoped, dnsbl, spf], RULE).cause, "spf-fail");
});

test("trust of a stage in observe mode trusts nobody", () => {
  const decision = decide(
    [report(trust, { mode: "observe", trustable: false }), report(reject)],
    RULE,
  );
  assert.equal(decision.action, "reject");
});

test("a spam reject becomes a defer when a stage able to trust could not answer", () => {
  const access = report(
    { kind: "neutral" },
    { stage: "access", outcome: "failed", canTrust: true },
  );
  const decision = decide([access, report(reject, { stage: "dnsbl" })], RULE);
  assert.equal(decision.action, "defer");
  assert.equal(decision.cause, "check-unavailable");
});

test("a malware reject stays one although a stage able to trust could not answer", () => {
  const access = report({ kind: "neutral" }, { outcome: "timeout", canTrust: true });
  const virus = report(malware, { stage: "antivirus", trustable: false });
  assert.equal(decide([access, report(reject), virus], RULE).cause, "malware");
});

test("a spam stage that the domain skips counts for nothing there, with its score; others do", () => {
  const skip = { ...RULE, skip: ["dnsbl", "antivirus"] };
  const listed = report(reject, { stage: "dnsbl" });
  const scored = { kind: "neutral", findings: [{ symbol: "DNSBL_LISTED", score: 9 }] } as const;
  assert.equal(decide([listed], skip).action, "relay");
  assert.deepEqual(decide([report(scored, { stage: "dnsbl" })], skip).findings, []);
  assert.equal(decide([report(reject, { stage: "spf" })], skip).action, "reject");
  const virus = report(malware, { stage: "antivirus", trustable: false });
  assert.equal(decide([virus], skip).action, "reject", "malware holds whatever a policy says");
});

test("postmaster is exempt from spam stages and the score, never from malware", () => {
  const exempt = { ...RULE, exempt: true };
  const spam = report({ ...reject, findings: [{ symbol: "X", score: 99 }] });
  assert.equal(decide([spam], exempt).action, "relay");
  assert.equal(decide([spam], exempt).score, 0);
  assert.equal(decide([report(malware, { trustable: false })], exempt).action, "reject");
});

test("each symbol counts once and policy overrides its score", () => {
  const finding = { symbol: "SEEN", score: 2 };
  const reports = [
    report({ kind: "neutral", findings: [finding] }),
    report({ kind: "neutral", findings: [finding, { symbol: "OTHER", score: 1 }] }),
  ];
  assert.equal(decide(reports, RULE).score, 3);
  const scoring = { ...RULE.scoring, scores: new Map([["OTHER", 5]]) };
  assert.deepEqual(
    [decide(reports, { ...RULE, scoring }).score, decide(reports, { ...RULE, scoring }).action],
    [7, "quarantine"],
  );
});

test("thresholds of the recipient's domain override the plan's", () => {
  const reports = [report({ kind: "neutral", findings: [{ symbol: "X", score: 7 }] })];
  assert.equal(decide(reports, RULE).action, "quarantine");
  const lax = { ...RULE, thresholds: { quarantine: 20, reject: null } };
  const strict = { ...RULE, thresholds: { quarantine: 2, reject: 7 } };
  assert.equal(decide(reports, lax).action, "relay");
  assert.equal(decide(reports, strict).action, "reject");
});

test("the score maps to a spam confidence level at each border", () => {
  for (const [score, scl] of [
    [-3, 0],
    [0.9, 0],
    [1, 1],
    [8.9, 8],
    [9, 9],
    [100, 9],
  ] as const) {
    const reports = [report({ kind: "neutral", findings: [{ symbol: "X", score }] })];
    assert.equal(decide(reports, RULE).scl, scl, `score ${score}`);
  }
});

test("monitor mode stamps what it would do, and still refuses what is essential", () => {
  const monitor = { ...RULE, mode: "monitor" } as const;
  const spam = decide([report(reject)], monitor);
  assert.deepEqual([spam.action, spam.would], ["relay", "reject"]);
  const relaying = report(
    { kind: "reject", cause: "relay-denied" },
    { essential: true, trustable: false },
  );
  assert.equal(decide([relaying], monitor).action, "reject");
});

test("evidence that was never gathered is a missing check, not a clean one", () => {
  const decision = decide([report({ kind: "unknown", missing: ["clamd"] })], RULE);
  assert.deepEqual([decision.action, decision.cause], ["defer", "check-unavailable"]);
});

test("stages that could not answer are named", () => {
  const reports = [report({ kind: "neutral" }, { stage: "dnsbl", outcome: "timeout" })];
  assert.deepEqual(decide(reports, RULE).degraded, ["dnsbl"]);
});

test("monitor mode refuses what an essential stage refuses, though others would refuse as well", () => {
  const monitor = { ...RULE, mode: "monitor" } as const;
  const listed = report(reject, { stage: "dnsbl" });
  const foreign = { kind: "reject", cause: "relay-denied" } as const;
  const domains = report(foreign, { stage: "domains", trustable: false, essential: true });
  assert.deepEqual(
    [decide([listed, domains], monitor).action, decide([listed, domains], monitor).cause],
    ["reject", "relay-denied"],
  );
  const unsure = { kind: "defer", cause: "recipient-unverified" } as const;
  const later = report(unsure, { stage: "domains", trustable: false, essential: true });
  assert.equal(decide([listed, later], monitor).action, "defer");
  assert.deepEqual(
    [decide([listed], monitor).action, decide([listed], monitor).would],
    ["relay", "reject"],
  );
});
