import assert from "node:assert/strict";
import { test } from "node:test";
import { domainFault } from "../../src/gateway/domain-fault.ts";
import { foldRecipients, type Ruled } from "../../src/gateway/fold.ts";
import type { Recipient } from "../../src/gateway/session-state.ts";
import type { Action, Decision } from "../../src/pipeline/decision.ts";
import type { AcceptedDomain } from "../../src/policy/snapshot.ts";

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

function domain(name: string, more: Partial<AcceptedDomain> = {}): AcceptedDomain {
  const recipients = { kind: "any" } as const;
  return { name, type: "authoritative", recipients, ack: "hub", lineEndings: "refuse", ...more };
}

function faultOf(
  next: AcceptedDomain | null,
  before: readonly (AcceptedDomain | null)[],
  size?: number,
) {
  const recipients = before.map((one) => ({ domain: one }) as Recipient);
  const mail = { body: "7bit", smtputf8: false, ...(size !== undefined && { size }) } as const;
  return domainFault({ recipients, mail }, next)?.cause ?? null;
}

test("recipients share a message only when one reply and one limit can hold for all", () => {
  const [a, b] = [domain("a"), domain("b")];
  assert.equal(faultOf(b, [a]), null);
  for (const other of [
    domain("b", { ack: "spool" }),
    domain("b", { lineEndings: "normalise" }),
    domain("b", { limits: { maxBytes: 70_000 } }),
  ]) {
    assert.equal(faultOf(other, [a]), "recipients-differ");
    assert.equal(faultOf(other, [null, a]), "recipients-differ", "behind the bare postmaster too");
    assert.equal(faultOf(null, [other]), null);
  }
  assert.equal(faultOf(domain("b", { limits: { recipients: 5 } }), [a]), null);
});

test("the limits of a domain are its own: others' recipients and sizes do not count", () => {
  const small = domain("a", { limits: { maxBytes: 70_000, recipients: 2 } });
  assert.equal(faultOf(small, [], 70_000), null);
  assert.equal(faultOf(small, [], 70_001), "too-large");
  assert.equal(faultOf(domain("b"), [], 70_001), null);
  assert.equal(faultOf(small, [small]), null);
  assert.equal(faultOf(small, [small, small]), "too-many-recipients");
});
