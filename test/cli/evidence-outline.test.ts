import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Json } from "../../src/base/json.ts";
import { outlineEvidence } from "../../src/cli/evidence-outline.ts";

describe("evidence outline", () => {
  test("nested evidence becomes nested lines, lists of plain values one line", () => {
    const evidence: Json = {
      client: "192.0.2.1",
      listed: true,
      zones: [
        { zone: "a.test", answers: ["127.0.0.2", "127.0.0.4"] },
        { zone: "b.test", answers: [] },
      ],
      nothing: null,
      deep: { inner: { value: 1 } },
    };
    assert.deepEqual(outlineEvidence(evidence), [
      "client: 192.0.2.1",
      "listed: yes",
      "zones:",
      "  - zone: a.test",
      "    answers: 127.0.0.2, 127.0.0.4",
      "  - zone: b.test",
      "    answers: none",
      "nothing: none",
      "deep:",
      "  inner:",
      "    value: 1",
    ]);
  });

  test("large, deep and long evidence is trimmed and says so", () => {
    const many = outlineEvidence({ names: Array.from({ length: 5000 }, (_, i) => `name${i}`) });
    assert.equal(many.length, 1);
    assert.match(many[0] ?? "", /and 4988 more/);
    const rows = Array.from({ length: 500 }, (_, i) => ({ a: i, b: i, c: i, d: i, e: i }));
    assert.ok(outlineEvidence(rows).length <= 41);
    let deep: Json = "bottom";
    for (let i = 0; i < 5000; i++) deep = { deeper: deep };
    assert.match(outlineEvidence(deep).at(-1) ?? "", /deeper with --json/);
    assert.ok((outlineEvidence({ text: "x".repeat(1e6) })[0] ?? "").length < 300);
  });

  test("no evidence makes it throw, special keys are keys like others", () => {
    assert.deepEqual(outlineEvidence(JSON.parse('{"__proto__": 1, "toString": 2}')), [
      "__proto__: 1",
      "toString: 2",
    ]);
    assert.deepEqual(outlineEvidence(null), ["none"]);
    assert.deepEqual(outlineEvidence(undefined), ["none"]);
    assert.deepEqual(outlineEvidence({}), []);
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        assert.ok(outlineEvidence(value as Json).length <= 41);
      }),
    );
  });
});
