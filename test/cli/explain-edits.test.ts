import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { describeStory } from "../../src/cli/explain.ts";
import { testRecord, testReport } from "../support/test-records.ts";

const text = (...parameters: Parameters<typeof testRecord>) =>
  describeStory({ record: testRecord(...parameters), fate: [] }).join("\n");

describe("explain, of edits", () => {
  test("what stages want to be changed is told, each edit in a line of its own", () => {
    const address = { spoken: "j@in.test", localPart: "j", domain: "in.test" };
    const lines = text(1, {
      reports: [
        testReport("any", {
          verdict: {
            kind: "neutral",
            findings: [],
            edits: [
              { kind: "add-header", name: "X-A", value: "1" },
              { kind: "remove-header", name: "X-B" },
              { kind: "replace-in-header", name: "To", at: 9, old: "a.test", text: "b.test" },
              { kind: "set-sender", sender: address },
              { kind: "replace-recipient", address },
              { kind: "add-recipient", address },
              { kind: "leave-unsigned", reason: "it is not his" },
            ],
          },
        }),
      ],
    });
    for (const line of [
      "adds the header X-A: 1",
      "removes the header X-B",
      "in To, at octet 9: a.test → b.test",
      "the next server is told the sender <j@in.test>",
      "the mail goes to <j@in.test>",
      "a blind copy goes to <j@in.test>",
      "it is not to be signed",
    ])
      assert.ok(lines.includes(`      ${line}\n`), line);
  });

  test("of many edits the first are told, and how many more there are", () => {
    const edit = { kind: "replace-in-header", name: "To", at: 9, old: "a", text: "b" } as const;
    const edits = Array.from({ length: 25 }, () => edit);
    const verdict = { kind: "neutral", findings: [], edits } as const;
    assert.match(text(1, { reports: [testReport("any", { verdict })] }), /and 5 more edits/);
  });
});
