import assert from "node:assert/strict";
import { test } from "node:test";
import { type Edit, editsOf, recipientAfter, senderAfter } from "../../src/pipeline/edit.ts";
import { toAddress } from "../support/spool-item.ts";
import { testReport } from "../support/test-records.ts";

const ANN = toAddress("ann@example.org");
const to = (spoken: string): Edit => ({ kind: "replace-recipient", address: toAddress(spoken) });
const from = (spoken: string): Edit => ({ kind: "set-sender", sender: toAddress(spoken) });
const report = (edits: readonly Edit[], changes: Parameters<typeof testReport>[1] = {}) =>
  testReport("any", { ...changes, verdict: { kind: "neutral", findings: [], edits } });

test("the last edit of the recipient and of the sender holds", () => {
  const edits = [to("b@x.test"), from("s@x.test"), to("c@x.test"), from("t@x.test")];
  assert.equal(recipientAfter(ANN, edits).spoken, "c@x.test");
  assert.equal(senderAfter(ANN, edits)?.spoken, "t@x.test");
});

test("without an edit it is the very address that was spoken", () => {
  const copy: Edit = { kind: "add-recipient", address: toAddress("j@x.test") };
  assert.equal(recipientAfter(ANN, [copy]), ANN);
  assert.equal(senderAfter(null, [copy]), null);
});

test("edits count in plan order, and not those of a stage that only observes or was skipped", () => {
  const edits = editsOf([
    report([to("a@x.test")]),
    report([to("b@x.test")], { mode: "observe" }),
    testReport("none"),
    report([to("c@x.test")], { outcome: "skipped" }),
    report([from("d@x.test")]),
  ]);
  assert.deepEqual(edits, [to("a@x.test"), from("d@x.test")]);
});
