import assert from "node:assert/strict";
import { test } from "node:test";
import { decide } from "../../src/pipeline/decision.ts";
import { originOf } from "../../src/pipeline/origin.ts";
import type { StageReport } from "../../src/pipeline/report.ts";
import type { Verdict } from "../../src/pipeline/verdict.ts";
import { reportWith } from "../support/connect-facts.ts";

const SCORING = {
  scores: new Map<string, number>(),
  thresholds: { quarantine: 7, reject: 15 },
  scl: [1, 2, 3, 4, 5, 6, 7, 9, 12],
};

function actionFor(reports: readonly StageReport[], relayed: boolean, exempt = false) {
  const { action, cause } = decide(reports, { mode: "enforce", scoring: SCORING, exempt, relayed });
  return `${action} ${cause}`;
}

function refusing(
  cause: "client-listed" | "malware" | "recipient-unknown",
  over: Partial<StageReport> = {},
) {
  const verdict: Verdict = { kind: "reject", cause, findings: [] };
  return reportWith("stage", 0, { verdict, ...over });
}

test("what a trusted relay brings is held where a client's own mail is refused", () => {
  for (const [report, cause] of [
    [refusing("client-listed"), "client-listed"],
    [refusing("malware", { trustable: false }), "malware"],
    [reportWith("content", 20), "spam"],
  ] as const) {
    assert.equal(actionFor([report], false), `reject ${cause}`);
    assert.equal(actionFor([report], true), `quarantine ${cause}`);
  }
});

test("a recipient that does not exist is refused to a relay as well: nothing is held for nobody", () => {
  const unknown = refusing("recipient-unknown", { essential: true, trustable: false });
  assert.equal(actionFor([unknown], true), "reject recipient-unknown");
});

test("a relay may be told to come again, which bounces nothing", () => {
  const verdict: Verdict = { kind: "defer", cause: "check-unavailable", findings: [] };
  assert.equal(actionFor([reportWith("av", 0, { verdict })], true), "defer check-unavailable");
});

test("postmaster gets what a relay brings as he gets all mail", () => {
  assert.equal(actionFor([refusing("client-listed")], true, true), "relay null");
  const malware = refusing("malware", { trustable: false });
  assert.equal(actionFor([malware], true, true), "quarantine malware");
});

test("without a relay there is no origin, and where its stage failed nobody knows it", () => {
  assert.equal(originOf([reportWith("spf", 0)]), undefined);
  const failed = reportWith("trusted-relay", 0, { outcome: "timeout" });
  assert.equal(originOf([failed]), null);
});
