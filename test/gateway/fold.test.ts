import assert from "node:assert/strict";
import { test } from "node:test";
import { foldRecipients, type Ruled } from "../../src/gateway/fold.ts";
import type { Action, Decision } from "../../src/pipeline/decision.ts";

function ruled(name: string, action: Action): Ruled {
  const decision: Decision = {
    action,
    cause: action === "relay" ? null : "spam",
    stage: null,
    about: {},
    score: 0,
    scl: 0,
    findings: [],
    edits: [],
    degraded: [],
    would: null,
  };
  const spoken = `${name}@example.org`;
  const address = { spoken, localPart: name, domain: "example.org" };
  return { recipient: { address }, domain: null, decision };
}

const names = (list: readonly Ruled[]) => list.map(({ recipient }) => recipient.address.localPart);

test("when every recipient refuses, the message is refused", () => {
  const folded = foldRecipients([ruled("a", "reject"), ruled("b", "reject")]);
  assert.equal(folded.kind === "refuse" && folded.decision.action, "reject");
});

test("one deferring recipient defers all, and nothing is kept", () => {
  for (const other of ["relay", "quarantine", "reject"] as const) {
    const folded = foldRecipients([ruled("a", other), ruled("b", "defer")]);
    assert.equal(folded.kind === "refuse" && folded.decision.action, "defer", other);
  }
});

test("a refused recipient's copy is held when another takes the message", () => {
  const folded = foldRecipients([
    ruled("a", "relay"),
    ruled("b", "reject"),
    ruled("c", "quarantine"),
  ]);
  assert.ok(folded.kind === "take");
  assert.deepEqual(names(folded.relay), ["a"]);
  assert.deepEqual(names(folded.hold), ["b", "c"]);
});

test("a message that only quarantine takes is taken", () => {
  const folded = foldRecipients([ruled("a", "reject"), ruled("b", "quarantine")]);
  assert.ok(folded.kind === "take");
  assert.deepEqual(names(folded.hold), ["a", "b"]);
});
